# -*- coding: utf-8 -*-
"""The session of clients_test.go with ftplib of Python 2 and 3: ftplib_session.py HOST PORT passive|active"""
import ftplib
import io
import sys

host, port, mode = sys.argv[1:]
ftp = ftplib.FTP()
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
