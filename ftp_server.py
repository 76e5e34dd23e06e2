#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Launcher of cos-ftp-server: `python ftp_server.py` becomes the program beside this file.

It keeps the documented ways to start and stop the server working; any Python 2 or 3 runs it, and none stays in
memory. Without Python, start ./cos-ftp-server itself.
"""
import os
import sys

here = os.path.dirname(os.path.realpath(__file__))
program = os.path.join(here, "cos-ftp-server")
try:
    os.execv(program, ["python", "ftp_server.py"] + sys.argv[1:])
except OSError as error:
    sys.exit("ftp_server.py: cannot run %s: %s; build and install it with ./setup.sh" % (program, error))
