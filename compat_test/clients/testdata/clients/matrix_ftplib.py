"""The session of matrix_test.go with Python's ftplib; the words in braces are replaced."""
import ftplib
import socket
import ssl


class Client(ftplib.FTP_TLS):
    def connect_implicit(self, host, port):
        plain = socket.create_connection((host, port), 20)
        self.host, self.af = host, plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()


host, port = "{HOST}", int("{PORT}")
if "{TLS}" == "no":
    ftp = ftplib.FTP(timeout=20)
    ftp.connect(host, port)
else:
    ftp = Client(context=ssl.create_default_context(cafile="{CERT}"), timeout=20)
    if "{SCHEME}" == "ftps":
        ftp.connect_implicit(host, port)
    else:
        ftp.connect(host, port)
ftp.login("user0", "pass0")
if "{TLS}" == "yes":
    ftp.prot_p()
ftp.set_pasv("{PASSIVE}" == "on")
ftp.cwd("{DIR}")
ftp.mkd("sub")
ftp.rmd("sub")


def put(command, local, offset=None):
    with open(local, "rb") as source:
        source.seek(offset or 0)
        ftp.storbinary(command, source, rest=offset)


put("STOR big.bin", "big.bin")
for name in ["a b.txt", "中文 文件.txt"]:
    put("STOR " + name, "texts/" + name)
put("STOR added.log", "one.log")
put("APPE added.log", "two.log")
put("STOR resumed.bin", "big.bin", {KEPT})
with open("out/part.bin", "ab") as target:
    ftp.retrbinary("RETR big.bin", target.write, rest=target.tell())
ftp.dir()
for name, facts in ftp.mlsd(facts=["size"]):
    print(name, facts)
for name in ftp.nlst("*.txt"):
    with open("out/" + name, "wb") as target:
        ftp.retrbinary("RETR " + name, target.write)
put("STOR dated.dat", "dated.dat")
ftp.voidcmd("MFMT {TIME} dated.dat")
print(ftp.voidcmd("MDTM dated.dat"))
ftp.rename("a b.txt", "新 名.txt")
ftp.delete("中文 文件.txt")
ftp.quit()
