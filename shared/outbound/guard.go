package outbound

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"loophub/shared/fault"
)

// Guarded carries requests to the open internet alone: whatever a name resolves
// to, an address of this machine or of a private network is refused, among them
// the cloud's own (169.254.169.254). A simulator on this machine needs loopback.
func Guarded(loopback bool) http.RoundTripper {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return reachable(address, loopback)
	}}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 4,
		IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
}

func reachable(address string, loopback bool) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil {
		return fault.As(fault.Permanent, fmt.Errorf("reading an address: %w", err))
	}
	ip := host.Addr().Unmap()
	if ip.IsLoopback() && loopback {
		return nil
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return fault.New(fault.Permanent, "an address of a private network is not written to")
	}
	return nil
}

// special are ranges that are nobody's on the internet, or lead to IPv4 addresses by
// another way (IANA's special-purpose registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // of carriers, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),          // IPv4, RFC 4291
	netip.MustParsePrefix("64:ff9b::/96"),   // IPv4, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"), // IPv4, RFC 8215
	netip.MustParsePrefix("2002::/16"),      // IPv4, RFC 3056
	netip.MustParsePrefix("2001::/32"),      // IPv4, RFC 4380
	netip.MustParsePrefix("fec0::/10"),      // sites, RFC 3879
}
