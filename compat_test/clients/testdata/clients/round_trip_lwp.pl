# Puts the files of up into DIR and gets them back into down, with Perl's LWP::UserAgent.
# Arguments: plain passive|active HOST PORT CERT DIR
use strict;
use warnings;
use LWP::UserAgent;
use HTTP::Request;

my (undef, $mode, $host, $port, undef, $dir) = @ARGV;
$ENV{FTP_PASSIVE} = $mode eq "passive" ? 1 : 0;
$host = "[$host]" if $host =~ /:/;
my $agent = LWP::UserAgent->new(timeout => 60);
for (glob "up/*") {
	my ($name) = m{([^/]+)$};
	my $url = "ftp://user0:pass0\@$host:$port/$dir/$name;type=i";
	open my $file, "<:raw", $_ or die;
	local $/;
	my $put = $agent->request(HTTP::Request->new(PUT => $url, undef, scalar <$file>));
	die "put $name: ", $put->status_line unless $put->is_success;
	my $got = $agent->get($url, ":content_file" => "down/$name");
	die "get $name: ", $got->status_line unless $got->is_success;
	open my $empty, ">>", "down/$name"; # LWP makes no file of what is empty
}
