"""Trackers: one file each, a class `Tracker(name, folder, settings, first_step)` with `log(step, values)` and `close`.

`name` is the run's; `folder` is where one that writes files may keep them; `settings` are written once; `first_step`
is the first that will be logged: 0 (before training), or later when a run is resumed. Clients are imported when a
tracker is made.
"""
