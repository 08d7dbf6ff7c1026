"""lm-evaluation-harness on local files: data checked, tasks pointed at them, its run read back. No model, no torch.

`settings` has the flags, `data` finds and checks the files, `run` starts a process of its own in which `worker` points
the tasks at the files (`overlay`), checks each row against its task (`fit`) and runs the harness, and `samples` makes
our rows of what it gives back.
"""
