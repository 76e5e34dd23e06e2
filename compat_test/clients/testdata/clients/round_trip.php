<?php
// Puts the files of up into DIR and gets them back into down, with PHP's FTP functions.
// Arguments: plain|explicit passive|active HOST PORT CERT DIR; these functions do not look at the certificate.
[, $secure, $mode, $host, $port, , $dir] = $argv;

function must($done, $what)
{
	if (!$done) {
		fwrite(STDERR, "$what failed\n");
		exit(1);
	}
}

$ftp = $secure == 'explicit' ? ftp_ssl_connect($host, (int) $port, 60) : ftp_connect($host, (int) $port, 60);
must($ftp, 'connect');
must(ftp_login($ftp, 'user0', 'pass0'), 'login');
must(ftp_pasv($ftp, $mode == 'passive'), 'ftp_pasv');
must(ftp_chdir($ftp, $dir), 'CWD');
foreach (array_map('basename', glob('up/*')) as $name) {
	must(ftp_put($ftp, $name, "up/$name", FTP_BINARY), "put $name");
	must(ftp_get($ftp, "down/$name", $name, FTP_BINARY), "get $name");
}
ftp_close($ftp);
