# Puts the files of up into DIR and gets them back into down, with Perl's Net::FTP.
# Arguments: plain|explicit|implicit passive|active HOST PORT CERT DIR
use strict;
use warnings;
use Net::FTP;

my ($secure, $mode, $host, $port, $cert, $dir) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Passive => $mode eq "passive", Timeout => 60,
	SSL => $secure eq "implicit", SSL_ca_file => $cert) or die "connect: $@";
sub must { shift or die "$_[0]: ", $ftp->code, " ", $ftp->message }
must($ftp->starttls, "AUTH TLS, PROT P") if $secure eq "explicit";
must($ftp->login("user0", "pass0"), "login");
must($ftp->binary, "TYPE I");
must($ftp->cwd($dir), "CWD");
for (glob "up/*") {
	my ($name) = m{([^/]+)$};
	must($ftp->put($_, $name), "put $name");
	must($ftp->get($name, "down/$name"), "get $name");
}
$ftp->quit;
