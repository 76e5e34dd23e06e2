package costest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signature is the seven q-* values of a V5 signature (document 436/7778).
type signature struct {
	algorithm, keyID  string
	signTime, keyTime string
	headers, params   []string
	given             string
}

// authorize verifies the signature of a request, if the server has credentials.
func (x *exchange) authorize() error {
	if len(x.server.keys) == 0 {
		return nil
	}
	sig, err := x.signature()
	if err != nil {
		return err
	}
	key, known := x.server.keys[sig.keyID]
	if !known {
		return errInvalidKeyID
	}
	if err := x.checkAge(sig); err != nil {
		return err
	}
	now := x.server.now()
	for _, span := range []string{sig.signTime, sig.keyTime} {
		if err := checkTime(span, now, x.server.tolerance); err != nil {
			return err
		}
	}
	if err := x.checkSigned(sig.headers); err != nil {
		return err
	}
	format, err := x.formatString(sig)
	if err != nil {
		return err
	}
	toSign := stringToSign(sig.keyTime, format)
	if !hmac.Equal([]byte(sign(key, sig.keyTime, toSign)), []byte(sig.given)) {
		refused := *errSignature
		refused.detail = []string{"StringToSign", toSign, "FormatString", format}
		return &refused
	}
	return nil
}

// signature reads the Authorization header, or else the sign parameter, or else the q-* parameters.
func (x *exchange) signature() (*signature, error) {
	values := map[string]string{}
	text := x.r.Header.Get("Authorization")
	if text == "" {
		text = x.query.Get("sign")
	}
	if text != "" {
		for pair := range strings.SplitSeq(text, "&") {
			name, value, _ := strings.Cut(pair, "=")
			values[name] = value
		}
	} else {
		for name := range x.query {
			values[name] = x.query.Get(name)
		}
	}
	sig := &signature{
		algorithm: values["q-sign-algorithm"], keyID: values["q-ak"],
		signTime: values["q-sign-time"], keyTime: values["q-key-time"],
		headers: nameList(values["q-header-list"]), params: nameList(values["q-url-param-list"]),
		given: values["q-signature"],
	}
	switch {
	case sig.given == "":
		return nil, errAccessDenied.because("The request is not signed.")
	case sig.algorithm != "sha1":
		return nil, errAccessDenied.because("q-sign-algorithm is %q, want sha1.", sig.algorithm)
	case !orderly(sig.headers) || !orderly(sig.params):
		return nil, errAccessDenied.because("q-header-list and q-url-param-list must be in lower case and sorted.")
	}
	return sig, nil
}

func nameList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ";")
}

func orderly(names []string) bool {
	return slices.IsSorted(names) && !slices.ContainsFunc(names, func(n string) bool { return n != strings.ToLower(n) })
}

// checkTime checks "start;end" in Unix seconds; start may lie ahead by as much as tolerance.
func checkTime(span string, now time.Time, tolerance time.Duration) error {
	from, to, _ := strings.Cut(span, ";")
	start, err1 := strconv.ParseInt(from, 10, 64)
	end, err2 := strconv.ParseInt(to, 10, 64)
	switch {
	case err1 != nil || err2 != nil || start > end:
		return errAccessDenied.because("A signature's time is %q, want start;end in Unix seconds.", span)
	case now.Add(tolerance).Unix() < start:
		return errTimeTooSkewed
	case now.Unix() > end:
		return errExpired
	}
	return nil
}

// checkAge refuses what WithSignatureAge says. A time that cannot be read is left to checkTime.
func (x *exchange) checkAge(sig *signature) error {
	from, _, _ := strings.Cut(sig.signTime, ";")
	start, err := strconv.ParseInt(from, 10, 64)
	if limit := x.server.signedAgo; limit > 0 && err == nil && x.server.now().Sub(time.Unix(start, 0)) > limit {
		return errTimeTooSkewed.because("The signature begins more than %v before the server's time.", limit)
	}
	return nil
}

// checkSigned demands that the host and everything that tells COS what to do is signed. A
// signature that leaves them out lets others change the request.
func (x *exchange) checkSigned(names []string) error {
	if !slices.Contains(names, "host") {
		return errAccessDenied.because("The host is not signed.")
	}
	for name := range x.r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-cos-") && !slices.Contains(names, strings.ToLower(percentEncode(name, ""))) {
			return errAccessDenied.because("The header %s is not signed.", name)
		}
	}
	return nil
}

// formatString is the request as it is signed.
func (x *exchange) formatString(sig *signature) (string, error) {
	headers := x.r.Header.Clone()
	headers.Set("Host", x.r.Host)
	if te := x.r.TransferEncoding; len(te) > 0 {
		headers.Set("Transfer-Encoding", strings.Join(te, ",")) // net/http takes it out of the headers
	}
	params, err := canonical(url.Values(x.query), sig.params, "parameter")
	if err != nil {
		return "", err
	}
	signed, err := canonical(url.Values(headers), sig.headers, "header")
	if err != nil {
		return "", err
	}
	return formatString(x.r.Method, x.r.URL.Path, params, signed), nil
}

func formatString(method, path, params, headers string) string {
	return strings.ToLower(method) + "\n" + path + "\n" + params + "\n" + headers + "\n"
}

// canonical joins the values of the listed names, each as often as it is listed.
func canonical(values url.Values, names []string, kind string) (string, error) {
	byName := map[string][]string{}
	for name, v := range values {
		name = strings.ToLower(percentEncode(name, ""))
		byName[name] = append(byName[name], v...)
	}
	var pairs []string
	taken := map[string]int{}
	for _, name := range names {
		v := byName[name]
		slices.Sort(v)
		i := taken[name]
		if i >= len(v) {
			return "", errSignature.because("The signed %s %s is not in the request.", kind, name)
		}
		taken[name]++
		pairs = append(pairs, name+"="+percentEncode(v[i], ""))
	}
	return strings.Join(pairs, "&"), nil
}

func stringToSign(keyTime, format string) string {
	return fmt.Sprintf("sha1\n%s\n%x\n", keyTime, sha1.Sum([]byte(format)))
}

// sign returns the signature of a string.
func sign(secretKey, keyTime, toSign string) string {
	return hmacHex(hmacHex(secretKey, keyTime), toSign)
}

func hmacHex(key, text string) string {
	h := hmac.New(sha1.New, []byte(key))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}
