"""Puts big.bin, gets it back and lists, over FTPS.

Arguments: CERT HOST PORT explicit|implicit passive|active fresh|reused|refused NAME
fresh leaves TLS sessions as ftplib makes them, reused resumes the control connection's on data connections, refused
is fresh and expects the server not to take it.
"""
import ftplib
import ssl
import sys

cert, host, port, how, mode, session, name = sys.argv[1:]


class Client(ftplib.FTP_TLS):
    def connect(self, *args, **kwargs):
        if how == "explicit":
            return super().connect(*args, **kwargs)
        import socket
        plain = socket.create_connection((host, int(port)), 20)
        self.af = plain.family
        self.host = host
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding="utf-8")
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd, rest=None):
        if session != "reused":
            return super().ntransfercmd(cmd, rest)
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(conn, server_hostname=host, session=self.sock.session), size


context = ssl.create_default_context(cafile=cert)
ftp = Client(context=context, timeout=20)
ftp.connect(host, int(port))
ftp.set_pasv(mode == "passive")
ftp.login("user0", "pass0")
ftp.prot_p()
try:
    with open("big.bin", "rb") as f:
        ftp.storbinary("STOR " + name, f)
except (ftplib.Error, OSError) as problem:
    if session != "refused":
        raise
    print(problem if isinstance(problem, ftplib.Error) else ftp.getmultiline())
    sys.exit()
with open("out/" + name, "wb") as f:
    ftp.retrbinary("RETR " + name, f.write)
ftp.retrlines("LIST")
ftp.quit()
