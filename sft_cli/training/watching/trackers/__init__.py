"""Trackers: one file each, a class `Tracker(name, folder, settings, first_step)` with `log(step, values)` and `close`.

`name` is the name of the run; `folder` is the place for files of a tracker; `settings` are written once; `first_step`
is the first step to log: 0 (before training), or later if a run is resumed. A client is imported when its tracker is
made.
"""
