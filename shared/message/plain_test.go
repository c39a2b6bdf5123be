package message

import "testing"

// TestPlain: the text part reads as the HTML does, with a blank wherever a browser shows one.
func TestPlain(t *testing.T) {
	for source, want := range map[string]string{
		`<p>Mã <strong>SEN-1</strong> dùng một lần</p>`:                     "Mã SEN-1 dùng một lần",
		`<p>Mã <b>SEN-1</b>, dùng</p>`:                                      "Mã SEN-1, dùng",
		`<a href="https://a.example/">a</a> · <a href="mailto:b">b</a>`:     "a (https://a.example/) · b",
		"<p>a\n   b</p>\n<p>c<br>d</p>":                                     "a b\n\nc\nd",
		`<ul><li>a</li><li>b</li></ul>`:                                     "- a\n\n- b",
		`<head><title>x</title></head>a<style>p{}</style><img alt="b  c">d`: "ab cd",
		`a&nbsp;&amp; b`: "a & b",
	} {
		if got := plain(source); got != want {
			t.Errorf("%s: %q, not %q", source, got, want)
		}
	}
}
