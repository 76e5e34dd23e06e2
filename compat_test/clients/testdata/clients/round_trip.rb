# Puts the files of up into DIR and gets them back into down, with Ruby's Net::FTP.
# Arguments: plain|explicit passive|active HOST PORT CERT DIR
require "net/ftp"

secure, mode, host, port, cert, dir = ARGV
options = {port: port.to_i, username: "user0", password: "pass0", passive: mode == "passive"}
options[:ssl] = {ca_file: cert} if secure == "explicit"
Net::FTP.open(host, **options) do |ftp|
  ftp.chdir(dir)
  Dir.children("up").each do |name|
    ftp.putbinaryfile("up/#{name}", name)
    ftp.getbinaryfile(name, "down/#{name}")
  end
end
