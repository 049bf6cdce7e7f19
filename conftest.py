"""The environment in which notebooks are executed: by nbval, whose kernels inherit it, and by the tests themselves."""

import os

from her_course.headless import environment

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # two processes share the machine
os.environ |= environment(os.environ.get("HER_PROFILE", "quick"))
os.environ.pop("HER_LANG", None)  # each chapter speaks its own language
