# Puts the files of up into DIR and gets them back into down, with PycURL.
# Arguments: plain|explicit|implicit passive|active HOST PORT CERT DIR
import os, sys
import pycurl

secure, mode, host, port, cert, directory = sys.argv[1:]
if ":" in host:
    host = "[" + host + "]"
base = "%s://user0:pass0@%s:%s/%s/" % ("ftps" if secure == "implicit" else "ftp", host, port, directory)
c = pycurl.Curl()
c.setopt(pycurl.CAINFO, cert)
if secure != "plain":
    c.setopt(pycurl.USE_SSL, pycurl.USESSL_ALL)
if mode == "active":
    c.setopt(pycurl.FTPPORT, "-")
for name in sorted(os.listdir("up")):
    c.setopt(pycurl.URL, base + name)
    with open("up/" + name, "rb") as f:
        c.setopt(pycurl.UPLOAD, 1)
        c.setopt(pycurl.READDATA, f)
        c.perform()
    with open("down/" + name, "wb") as f:
        c.setopt(pycurl.UPLOAD, 0)
        c.setopt(pycurl.WRITEDATA, f)
        c.perform()
c.close()
