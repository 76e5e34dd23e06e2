# -*- coding: utf-8 -*-
"""The session of clients_test.go with ftplib of Python 2 and 3: ftplib_session.py HOST PORT passive|active [FILE]

FILE gets the commands that ftplib sends, with {PORT} for the arguments of PORT: so ftplib27_*.txt were recorded.
"""
import ftplib
import io
import re
import sys

host, port, mode = sys.argv[1:4]
record = io.open(sys.argv[4], "wb") if len(sys.argv) > 4 else None


class FTP(ftplib.FTP):
    def putline(self, line):
        if record:
            text = line if isinstance(line, bytes) else line.encode("utf-8")
            record.write(re.sub(b"^PORT .*", b"PORT {PORT}", text) + b"\n")
        ftplib.FTP.putline(self, line)


ftp = FTP()
ftp.encoding = "utf-8"
ftp.connect(host, int(port), 20)
ftp.login("user0", "pass0")
ftp.set_pasv(mode == "passive")
ftp.mkd("目录 x")
ftp.cwd("目录 x")
for name in ["big.bin", "a b.txt", "中文 文件.txt"]:
    local = name if name == "big.bin" else "texts/" + name
    with io.open(local, "rb") as source:
        ftp.storbinary("STOR " + name, source)
ftp.dir()
names = ftp.nlst()
ftp.voidcmd("TYPE I")
print(ftp.size("big.bin"))
for name in names:
    with io.open("out/" + name, "wb") as target:
        ftp.retrbinary("RETR " + name, target.write)
ftp.rename("a b.txt", "新 名.txt")
ftp.delete("中文 文件.txt")
print(ftp.pwd())
ftp.quit()
if record:
    record.close()
