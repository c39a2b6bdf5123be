package outbound

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
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
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) || translated.Contains(ip) {
		return fault.New(fault.Permanent, "an address of a private network is not written to")
	}
	return nil
}

var (
	shared     = netip.MustParsePrefix("100.64.0.0/10") // of carriers, RFC 6598
	translated = netip.MustParsePrefix("64:ff9b::/96")  // IPv4 by another way, RFC 6052
)
