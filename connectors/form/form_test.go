package form

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
	"loophub/events"
)

var testSettings = connector.Settings{
	Values: map[string]string{
		"public_key":      "pk_lua_hoi_an",
		"allowed_origins": "https://luahoian.example.vn, http://localhost:8080",
		"redirect":        "https://luahoian.example.vn/cam-on-ban",
		"consent":         "email:marketing=newsletter, sms:marketing=sms",
		"fields":          "company=noi_lam",
	},
	Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Suite{
		New:      New,
		Settings: testSettings,
		Fixtures: "testdata",
		Waive: map[string]string{
			"retry": "browsers don't retry: the same text posted twice is two submissions, unless the form sends a submission_id",
		},
		Update: os.Getenv("UPDATE") != "",
	})
}

// TestConformanceOfConfirming is the form whose ticked boxes have to be confirmed.
func TestConformanceOfConfirming(t *testing.T) {
	settings := testSettings
	settings.Values = maps.Clone(settings.Values)
	settings.Values["confirm"] = "yes"
	conformance.Run(t, conformance.Suite{
		New: New, Settings: settings, Fixtures: "confirm/testdata", Update: os.Getenv("UPDATE") != "",
	})
}

// TestConfirming: a box that has to be confirmed grants nothing; no settings but
// yes and no are taken for either.
func TestConfirming(t *testing.T) {
	for confirm, want := range map[string]string{"": "grant:", "no": "grant:", "yes": "ask:", "true": "refused", "YES": "refused"} {
		settings := testSettings
		settings.Values = maps.Clone(settings.Values)
		settings.Values["confirm"] = confirm
		s, err := New().Source(settings)
		if (err != nil) != (want == "refused") {
			t.Errorf("confirm: %q: %v", confirm, err)
		}
		if err != nil {
			continue
		}
		facts, _ := s.Decode(post("email=lan%40example.vn&newsletter=on&sms="))
		for _, verb := range []string{"grant:", "ask:"} {
			_, email := facts[0].Fields[verb+"email:marketing"]
			_, sms := facts[0].Fields[verb+"sms:marketing"]
			if email != (verb == want) || sms {
				t.Errorf("confirm: %q: %v", confirm, facts[0].Fields)
			}
		}
	}
}

func testSource(t testing.TB) source {
	t.Helper()
	s, err := New().Source(testSettings)
	if err != nil {
		t.Fatal(err)
	}
	return s.(source)
}

func post(body string) connector.Request {
	return connector.Request{
		Method: http.MethodPost, Query: url.Values{}, Body: []byte(body), ReceivedAt: conformance.Received,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://luahoian.example.vn"}},
	}
}

func TestVerify(t *testing.T) {
	const key = "key=pk_lua_hoi_an"
	for _, c := range []struct {
		about  string
		change func(*connector.Request)
		ok     bool
	}{
		{"as it should be", func(*connector.Request) {}, true},
		{"a second origin", func(r *connector.Request) { r.Header.Set("Origin", "http://localhost:8080") }, true},
		{"an old browser", func(r *connector.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Referer", "https://luahoian.example.vn/a?b#c")
		}, true},
		{"key in the query", func(r *connector.Request) { r.Body = nil; r.Query.Set("key", "pk_lua_hoi_an") }, true},
		{"key in the path", func(r *connector.Request) { r.Body = nil; r.Rest = "pk_lua_hoi_an/contact" }, true},
		{"no key", func(r *connector.Request) { r.Body = nil }, false},
		{"another key", func(r *connector.Request) { r.Body = []byte("key=pk_lua_hoi_ax") }, false},
		{"a key that begins right", func(r *connector.Request) { r.Body = []byte("key=pk_lua_hoi") }, false},
		{"another origin", func(r *connector.Request) { r.Header.Set("Origin", "https://evil.example") }, false},
		{"an origin that ends right", func(r *connector.Request) { r.Header.Set("Origin", "https://x.luahoian.example.vn") }, false},
		{"another scheme", func(r *connector.Request) { r.Header.Set("Origin", "http://luahoian.example.vn") }, false},
		{"a sandbox", func(r *connector.Request) {
			r.Header.Set("Origin", "null")
			r.Header.Set("Referer", "https://luahoian.example.vn/")
		}, false},
		{"no origin", func(r *connector.Request) { r.Header.Del("Origin") }, false},
		{"another referer", func(r *connector.Request) { r.Header.Del("Origin"); r.Header.Set("Referer", "https://evil.example/") }, false},
		{"a referer with a name in it", func(r *connector.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Referer", "https://luahoian.example.vn@evil.example/")
		}, false},
		{"by GET", func(r *connector.Request) { r.Method = http.MethodGet }, false},
	} {
		r := post(key)
		c.change(&r)
		if err := testSource(t).Verify(r, nil); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.about, err)
		}
	}
}

func TestSettingsThatContradict(t *testing.T) {
	s := testSettings
	s.Values = map[string]string{"public_key": "pk_lua_hoi_an", "allowed_origins": "https://a.example", "redirect": "https://b.example/x"}
	if _, err := New().Source(s); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("a redirect elsewhere: %v", err)
	}
}

func TestAnswer(t *testing.T) {
	s := testSource(t)
	for _, c := range []struct {
		about, method, body string
		header              map[string]string
		status              int
		final               bool
		location, origin    string
	}{
		{"preflight", "OPTIONS", "", nil, 204, true, "", "https://luahoian.example.vn"},
		{"preflight from elsewhere", "OPTIONS", "", map[string]string{"Origin": "https://evil.example"}, 403, true, "", ""},
		{"by hand", "GET", "", nil, 405, true, "", ""},
		{"plain", "POST", "", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"next", "POST", "_next=https://luahoian.example.vn/cam-on?a=1%23b", nil, 303, false, "https://luahoian.example.vn/cam-on?a=1#b", ""},
		{"next elsewhere", "POST", "_next=https://evil.example/", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"next elsewhere, disguised", "POST", "_next=https://luahoian.example.vn@evil.example/", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"next without a host", "POST", "_next=//evil.example/", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"next with a script", "POST", "_next=javascript:alert(1)", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"next with a header in it", "POST", "_next=https://luahoian.example.vn/%0d%0aSet-Cookie:x", nil, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
		{"fetch", "POST", "", map[string]string{"Accept": "application/json"}, 200, false, "", "https://luahoian.example.vn"},
		{"fetch from elsewhere", "POST", "", map[string]string{"Accept": "application/json", "Origin": "https://evil.example"}, 303, false, "https://luahoian.example.vn/cam-on-ban", ""},
	} {
		r := post(c.body)
		r.Method = c.method
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		got, final, ok := s.Answer(r)
		if !ok || final != c.final || got.Status != c.status || got.Header.Get("Location") != c.location ||
			got.Header.Get("Access-Control-Allow-Origin") != c.origin {
			t.Errorf("%s: %v %v %+v", c.about, ok, final, got)
		}
	}
	bare := s
	bare.redirect = ""
	if got, _, _ := bare.Answer(post("")); got.Status != 200 || !strings.Contains(string(got.Body), "Thank you") {
		t.Errorf("without a redirect: %+v", got)
	}
}

func TestDecodeBounds(t *testing.T) {
	var b strings.Builder
	for i := range 80 {
		fmt.Fprintf(&b, "q%02d=%s&", i, strings.Repeat("%E1%BA%BF", 2000))
	}
	b.WriteString(strings.Repeat("n", 500) + "=1")
	facts, faults := testSource(t).Decode(post(b.String()))
	if len(facts) != 1 || len(faults) != 1 || len(facts[0].Fields) > maxAnswers || facts[0].Validate() != nil {
		t.Errorf("%d facts, %v", len(facts), faults)
	}
	long := strings.Repeat("n", 500)
	facts, _ = testSource(t).Decode(post(long + "1=a&" + long + "2=b"))
	if len(facts) != 1 || len(facts[0].Fields) != 2 {
		t.Errorf("two long names that begin alike: %v", facts)
	}
}

func TestConsentOnlyIfTicked(t *testing.T) {
	for value, want := range map[string]bool{"on": true, "yes": true, "1": true, "": false, "0": false, "false": false, "off": false} {
		facts, _ := testSource(t).Decode(post("email=lan%40example.vn&newsletter=" + value))
		if _, ok := facts[0].Fields["grant:email:marketing"]; ok != want {
			t.Errorf("newsletter=%s grants: %v", value, ok)
		}
	}
	facts, _ := testSource(t).Decode(post("email=lan%40example.vn&marketing=on"))
	if _, ok := facts[0].Fields["grant:email:marketing"]; ok {
		t.Error("a box that the settings don't name grants")
	}
}

// TestOneBoxForSeveralChannels: the settings name each channel with the box that grants it.
func TestOneBoxForSeveralChannels(t *testing.T) {
	settings := testSettings
	settings.Values = maps.Clone(settings.Values)
	settings.Values["consent"] = "email:marketing=news, sms:marketing=news"
	s, err := New().Source(settings)
	if err != nil {
		t.Fatal(err)
	}
	facts, _ := s.Decode(post("email=lan%40example.vn&news=on"))
	for _, grant := range []string{"grant:email:marketing", "grant:sms:marketing"} {
		if _, ok := facts[0].Fields[grant]; !ok {
			t.Errorf("%s is missing", grant)
		}
	}
}

func TestAnswersWhoseNamesFallTogether(t *testing.T) {
	facts, _ := testSource(t).Decode(post("size.top=M&size:top=L&size.top%20=XL"))
	var said []string
	for name, v := range facts[0].Fields {
		if strings.HasPrefix(name, "answer:size.top") {
			said = append(said, v.String())
		}
	}
	if len(said) != 3 || facts[0].Validate() != nil {
		t.Errorf("of M, L and XL there is %v", said)
	}
}

func TestSubmissionID(t *testing.T) {
	for id, want := range map[string]bool{
		"s-4b1f0c3ad9e24f7c8a": true, "0b9ad2f4-1d5c-4c55-9a57-0a5f2c9d7e11": true, "short": false, "lan.nguyen@example.vn": false,
		"0912345678091234": false, "a b c d e f g h i j": false, strings.Repeat("a", 65): false,
	} {
		if submissionID(id) != want {
			t.Errorf("submissionID(%q) = %v", id, !want)
		}
	}
}

func seeds(f *testing.F) {
	dirs, err := filepath.Glob("testdata/submit*")
	if err != nil || len(dirs) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, dir := range dirs {
		r, err := conformance.Load(dir)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Header.Get("Content-Type"), r.Header.Get("Origin"), r.Rest, r.Body)
	}
}

func FuzzDecode(f *testing.F) {
	seeds(f)
	s := testSource(f)
	f.Fuzz(func(t *testing.T, kind, origin, rest string, body []byte) {
		r := post(string(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Referer", origin)
		r.Rest = rest
		facts, faults := s.Decode(r)
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
			if fact.Kind != events.Form {
				t.Errorf("a form gives a %s", fact.Kind)
			}
		}
		if len(facts) == 0 && len(faults) == 0 && !strings.Contains(string(body), "honeypot") && !strings.Contains(string(body), "%") {
			t.Error("silence")
		}
		if object, delivery := s.Key(r); !strings.HasPrefix(object, "form:") || len(delivery) > 64 {
			t.Errorf("a bad key: %q, %q", object, delivery)
		}
		if got, _, _ := s.Answer(r); got.Status == http.StatusSeeOther && !s.allowed(originOf(got)) {
			t.Errorf("leads elsewhere: %v", got.Header)
		}
	})
}

func originOf(r connector.Response) string { return origin(r.Header.Get("Location")) }

func FuzzVerify(f *testing.F) {
	seeds(f)
	s := testSource(f)
	f.Fuzz(func(t *testing.T, kind, from, rest string, body []byte) {
		r := post(string(body))
		r.Header = http.Header{"Content-Type": {kind}, "Origin": {from}}
		r.Rest = rest
		if s.Verify(r, nil) == nil && (!s.allowed(strings.ToLower(from)) || !strings.Contains(rest+string(body), "p") && !strings.Contains(string(body), "%")) {
			t.Errorf("verifies from %q with %q", from, rest)
		}
	})
}
