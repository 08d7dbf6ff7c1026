"""The official measures of GLUE and SuperGLUE, of each task and of all together."""
