"""lm-evaluation-harness on local files: check the data, run the tasks on them, read the results. No model, no torch.

`settings` has the flags, `data` finds and checks the files. `run` starts a separate process, in which `worker` points
the tasks at the files (`overlay`), checks that each row fits its task (`fit`) and runs the harness. `samples` turns the
results into our rows.
"""
