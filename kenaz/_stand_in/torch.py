"""Found as `torch` by a process that a program under `kenaz.alias()` has started: it gets the alias too."""

import sys

import kenaz

del sys.modules[__name__]
kenaz.alias()  # puts Kenaz under this name, and the import system takes it from there
