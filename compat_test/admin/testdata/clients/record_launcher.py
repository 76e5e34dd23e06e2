# Prints how this Python runs the program when it runs ftp_server.py: record_launcher.py FTP_SERVER.PY
# python2_test.go makes launcher27.json with it.
import hashlib
import json
import os
import runpy
import sys

launcher = sys.argv[1]


def execv(program, argv):
    with open(launcher, "rb") as source:
        digest = hashlib.sha256(source.read()).hexdigest()
    print(json.dumps({"Launcher": digest, "Program": os.path.basename(program), "Argv": argv}, sort_keys=True))
    sys.exit()


os.execv = execv
sys.argv = [launcher]
runpy.run_path(launcher, run_name="__main__")
