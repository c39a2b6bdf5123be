package conformance

import (
	"net/http"
	"strings"

	connector "loophub/connectors"
)

// otherSecret is a secret that signs nothing here.
const otherSecret = connector.Secret("another-test-secret")

func (b *bench) signaturesVerify() {
	for _, f := range b.fixtures {
		err := b.source.Verify(f.request, []connector.Secret{b.Secret})
		if b.manifest.Vouched() {
			if err == nil {
				b.fail("%s: a connector to which nobody may post lets a request from outside through", f.name)
			}
			continue
		}
		if err != nil {
			b.fail("%s: as recorded it does not verify: %v", f.name, err)
		}
		bare := clone(f.request)
		bare.Header = http.Header{}
		bare.Query = nil
		if b.source.Verify(bare, []connector.Secret{b.Secret}) == nil {
			b.fail("%s: without its headers and query it still verifies", f.name)
		}
		if b.Sign == nil {
			continue
		}
		fresh := b.signed(f.request, b.Secret)
		if err := b.source.Verify(fresh, []connector.Secret{b.Secret}); err != nil {
			b.fail("%s: signed anew it does not verify: %v", f.name, err)
		}
		b.unverified(f.name+" under another secret", fresh, otherSecret)
		b.unverified(f.name+" signed with another secret", b.signed(f.request, otherSecret), b.Secret)
		b.unverified(f.name+" without secrets", fresh)
		b.unverified(f.name+" signed with and verified under an empty secret", b.signed(f.request, ""), "")
	}
}

// unverified expects a refusal that keeps the secrets to itself.
func (b *bench) unverified(what string, r connector.Request, secrets ...connector.Secret) {
	err := b.source.Verify(r, secrets)
	if err == nil {
		b.fail("%s verifies", what)
		return
	}
	for _, s := range []connector.Secret{b.Secret, otherSecret} {
		if strings.Contains(err.Error(), string(s)) {
			b.fail("%s: the error tells a secret", what)
		}
	}
}

const (
	everyBit   = 600 // bodies up to this size are tried bit by bit
	sampleBits = 400
)

func (b *bench) changedBodiesAreRefused() {
	if b.Sign == nil {
		return
	}
	for _, f := range b.onePerTopic() {
		r := b.signed(f.request, b.Secret)
		bits := len(r.Body) * 8
		step := 1
		if len(r.Body) > everyBit {
			step = bits/sampleBits | 1
		}
		for i := 0; i < bits; i += step {
			r.Body[i/8] ^= 1 << (i % 8)
			if b.source.Verify(r, []connector.Secret{b.Secret}) == nil {
				b.fail("%s: with bit %d of the body turned it still verifies", f.name, i)
			}
			r.Body[i/8] ^= 1 << (i % 8)
		}
		whole := r.Body
		for _, body := range [][]byte{nil, whole[:len(whole)-1], append(whole[:len(whole):len(whole)], '\n'), append([]byte(" "), whole...)} {
			r.Body = body
			if b.source.Verify(r, []connector.Secret{b.Secret}) == nil {
				b.fail("%s: cut or lengthened to %d of %d bytes it still verifies", f.name, len(body), len(whole))
			}
		}
	}
}

func (b *bench) secretsRotate() {
	if b.Sign == nil {
		return
	}
	for _, f := range b.onePerTopic() {
		r := b.signed(f.request, b.Secret)
		for _, secrets := range [][]connector.Secret{{b.Secret, otherSecret}, {otherSecret, b.Secret}, {"", b.Secret}} {
			if err := b.source.Verify(r, secrets); err != nil {
				b.fail("%s: one of %d secrets signs it, and it does not verify: %v", f.name, len(secrets), err)
			}
		}
		b.unverified(f.name+" under two other secrets", r, otherSecret, otherSecret+"2")
	}
}

func (b *bench) answersAreAnswers() {
	a, ok := b.source.(connector.Answerer)
	if ok != (b.manifest.Answers != "") {
		b.fail("the source answers itself: %v; the manifest says %q", ok, b.manifest.Answers)
	}
	if !ok {
		return
	}
	for _, f := range b.fixtures {
		for _, method := range []string{f.request.Method, http.MethodGet, http.MethodOptions, http.MethodHead, http.MethodPut, "", "odd"} {
			for _, header := range []http.Header{f.request.Header, {}, nil} {
				r := f.request
				r.Method, r.Header = method, header
				response, final, ok := a.Answer(r)
				if !ok && (final || response.Status != 0) {
					b.fail("%s by %q: no answer, and yet something is answered", f.name, method)
				}
				if ok && (response.Status < 200 || response.Status > 599) {
					b.fail("%s by %q: status %d", f.name, method, response.Status)
				}
			}
		}
	}
}
