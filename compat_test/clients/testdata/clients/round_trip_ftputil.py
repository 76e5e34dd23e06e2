# Puts the files of up into DIR, lists them and gets them back into down, with ftputil.
# Arguments: plain|explicit passive|active HOST PORT CERT DIR
import ftplib, os, ssl, sys
import ftputil

secure, mode, host, port, cert, directory = sys.argv[1:]


def session(*_):
    if secure == "plain":
        ftp = ftplib.FTP()
    else:
        ftp = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=cert))
    ftp.encoding = "utf-8"
    ftp.connect(host, int(port))
    ftp.login("user0", "pass0")
    if secure != "plain":
        ftp.prot_p()
    ftp.set_pasv(mode == "passive")
    return ftp


with ftputil.FTPHost(host, "user0", "pass0", session_factory=session) as site:
    site.use_list_a_option = False
    for name in sorted(os.listdir("up")):
        there = directory + "/" + name
        site.upload("up/" + name, there)
        if site.path.getsize(there) != os.path.getsize("up/" + name) or name not in site.listdir(directory):
            sys.exit(name + " is listed wrong")
        site.download(there, "down/" + name)
