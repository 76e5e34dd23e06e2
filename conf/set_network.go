package conf

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MasqueradeNet is an element of a masquerade_address list: what to tell clients of one network.
type MasqueradeNet struct {
	Clients netip.Prefix
	Address string // IPv4 address or host name
}

// String is the element as the conf file has it.
func (n MasqueradeNet) String() string { return n.Clients.String() + "=" + n.Address }

// masqueradeText is masquerade_address as one would write it.
func (c *Config) masqueradeText() string {
	var elements []string
	for _, n := range c.MasqueradeNets {
		elements = append(elements, n.String())
	}
	if c.MasqueradeAddress != "" || len(elements) == 0 {
		elements = append(elements, c.MasqueradeAddress)
	}
	return strings.Join(elements, ", ")
}

// isMasquerade says whether clients can be told the value in a 227 reply.
func isMasquerade(value string) bool {
	address, err := netip.ParseAddr(value)
	if err == nil {
		return address.Is4()
	}
	return len(value) <= 253 && hostForm.MatchString(value) && !placeholderForm.MatchString(value)
}

// hasNetwork tells a list from what the original's users may have left there, which is ignored.
func hasNetwork(value string) bool {
	for element := range strings.SplitSeq(value, ",") {
		network, _, found := strings.Cut(element, "=")
		if _, ok := parseNetwork(strip(network)); ok && found {
			return true
		}
	}
	return false
}

// setMasqueradeList reads NETWORK=ADDRESS elements; one without a network is for all other clients.
func setMasqueradeList(l *loader, value string) error {
	for element := range strings.SplitSeq(value, ",") {
		network, address, found := strings.Cut(strip(element), "=")
		if !found {
			network, address = "", network
		}
		network, address = strip(network), strip(address)
		clients, ok := parseNetwork(network)
		switch {
		case !isMasquerade(address) || !ok && found || !found && l.cfg.MasqueradeAddress != "":
			return fmt.Errorf("want elements NETWORK=ADDRESS, e.g. 10.0.0.0/8=10.1.2.3, 0.0.0.0/0=gw.example.com, and not %s", printable(strip(element)))
		case found:
			l.cfg.MasqueradeNets = append(l.cfg.MasqueradeNets, MasqueradeNet{clients, address})
		default:
			l.cfg.MasqueradeAddress = address
		}
	}
	return nil
}

// parseNetwork reads ADDRESS/BITS, or an address alone.
func parseNetwork(text string) (netip.Prefix, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err == nil
}

func setListenAddresses(l *loader, value string) (string, error) {
	l.cfg.ListenAddresses = nil
	for element := range strings.SplitSeq(value, ",") {
		address, err := netip.ParseAddr(strip(element))
		if err != nil {
			return "", errors.New("want addresses of this machine with commas between them, e.g. ::, 0.0.0.0")
		}
		if address = address.Unmap(); slices.Contains(l.cfg.ListenAddresses, address) {
			return "", fmt.Errorf("%s is given twice: want it once", address)
		}
		l.cfg.ListenAddresses = append(l.cfg.ListenAddresses, address)
	}
	return "", nil
}

// seconds stores a time of at least one second and at most one day.
func seconds(field func(*Config) *time.Duration) setter {
	return func(l *loader, value string) (string, error) {
		const most = 24 * 60 * 60
		n, err := pythonInt(value)
		if err != nil || n < 1 || n > most {
			return "", fmt.Errorf("want seconds, 1 to %d", most)
		}
		*field(l.cfg) = time.Duration(n) * time.Second
		return "", nil
	}
}

// limit stores a number of connections, 0 for no limit.
func limit(field func(*Config) *int) setter {
	return func(l *loader, value string) (string, error) {
		n, err := pythonInt(value)
		if err != nil || n < 0 {
			return "", errors.New("want a number of connections, or 0 for no limit")
		}
		*field(l.cfg) = int(min(n, math.MaxInt32))
		return "", nil
	}
}

func setBanAfter(l *loader, value string) (string, error) {
	const most = 100 // the server remembers the time of each
	n, err := pythonInt(value)
	if err != nil || n < 0 || n > most {
		return "", fmt.Errorf("want a number of failed logins, 1 to %d, or 0 to ban nobody", most)
	}
	l.cfg.BanAfter = int(n)
	return "", nil
}

// oneOf stores one of some words, in lower case.
func oneOf(field func(*Config) *string, words ...string) setter {
	return func(l *loader, value string) (string, error) {
		word := lower(value)
		if !slices.Contains(words, word) {
			return "", errors.New("want " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1])
		}
		*field(l.cfg) = word
		return "", nil
	}
}

// file stores the path of a file; a relative one is relative to the conf file.
func file(field func(*Config) *string) setter {
	return func(l *loader, value string) (string, error) {
		if strings.ContainsRune(value, 0) {
			return "", errors.New("want the path of a file")
		}
		if value != "" && !filepath.IsAbs(value) {
			value = filepath.Join(filepath.Dir(l.file), value)
		}
		*field(l.cfg) = value
		return "", nil
	}
}

func setImplicitPort(l *loader, value string) (string, error) {
	if !isPort(value, 0) {
		return "", errors.New("want a port, 1 to 65535 (990 is usual), or 0 for none")
	}
	n, _ := pythonInt(value)
	l.cfg.ImplicitTLSPort = int(n)
	return "", nil
}

func setActiveSourcePort(l *loader, value string) (string, error) {
	if !isPort(value, 0) {
		return "", errors.New("want a port, 1 to 65535 (20 is usual), or 0 for any")
	}
	n, _ := pythonInt(value)
	l.cfg.ActiveSourcePort = int(n)
	return "", nil
}

// checkTLS looks at the options of FTPS together.
func (l *loader) checkTLS() {
	c := l.cfg
	if c.TLSCertFile == "" {
		for name, given := range map[string]bool{
			"tls_key_file": c.TLSKeyFile != "", "tls_client_ca_file": c.TLSClientCAFile != "", "implicit_tls_port": c.ImplicitTLSPort != 0,
			"tls_required": c.TLSRequired == "login" || c.TLSRequired == "all", "tls_require_reuse": c.TLSRequireReuse, "tls_strict_close": c.TLSStrictClose,
			"tls_client_user": c.TLSClientUser == "cn",
		} {
			if given {
				l.networkProblem(name, "there is no FTPS without a certificate: want tls_cert_file, too")
			}
		}
	}
	if c.TLSKeyFile == "" {
		c.TLSKeyFile = c.TLSCertFile
	}
	if c.TLSClientUser == "cn" && c.TLSClientCAFile == "" {
		l.networkProblem("tls_client_user", "without authorities clients show no certificate: want tls_client_ca_file, too")
	}
	if c.TLSClientCAFile != "" && c.TLSRequired == "none" {
		c.TLSRequired = "login"
		p := l.networkValue("tls_client_ca_file", "logins need TLS, or a client without a certificate could log in in plain: taken as tls_required = login; give that to be rid of this line")
		l.warnings = append(l.warnings, p)
	}
	if c.ImplicitTLSPort != 0 && c.ImplicitTLSPort == c.ListenPort {
		l.networkProblem("implicit_tls_port", "listen_port is the same: want another, 990 is usual")
	}
}

func (l *loader) networkProblem(name, want string) {
	l.problems = append(l.problems, l.networkValue(name, want))
}

// networkValue is a problem or warning about a value of [NETWORK].
func (l *loader) networkValue(name, want string) Problem {
	value, line, _ := l.values.get(networkSection, name)
	return Problem{File: l.file, Line: line, Section: networkSection, Key: name, Value: value, Want: want}
}
