package conformance

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
)

// toy is a small connector that keeps the contract. Each planted mistake
// replaces one of its parts.
type toy struct {
	manifest connector.Manifest
	address  connector.Address
	settings func(connector.Settings) error
	verify   func(connector.Request, []connector.Secret) error
	key      func(connector.Request) (string, string)
	decode   func(connector.Request) ([]events.Fact, []connector.Fault)
	answer   func(connector.Request) (connector.Response, bool, bool)
}

func (s toy) Verify(r connector.Request, k []connector.Secret) error { return s.verify(r, k) }
func (s toy) Key(r connector.Request) (string, string)               { return s.key(r) }
func (s toy) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	return s.decode(r)
}
func (s toy) Answer(r connector.Request) (connector.Response, bool, bool) { return s.answer(r) }

func toyMAC(s connector.Secret, body []byte) string {
	m := hmac.New(sha256.New, []byte(s))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

func sound() toy {
	s := toy{manifest: connector.Manifest{
		Name: "toy", Title: "Toy", Rank: 1, Topics: []string{"people/create"}, Secrets: "HMAC-SHA256, hex",
		Headers:  []string{"X-Toy-Id"},
		Settings: []connector.Setting{{Name: "shop", About: "its name", Required: true, Pattern: "[a-z]+"}},
		Setup:    []string{"Enter {url}."},
		Answers:  "nothing",
	}}
	s.settings = func(c connector.Settings) error { _, err := s.manifest.Fill(c); return err }
	s.verify = func(r connector.Request, secrets []connector.Secret) error {
		for _, k := range secrets {
			if k != "" && hmac.Equal([]byte(toyMAC(k, r.Body)), []byte(r.Header.Get("X-Toy-Mac"))) {
				return nil
			}
		}
		return errors.New("X-Toy-Mac matches under no secret")
	}
	s.key = func(r connector.Request) (string, string) {
		return "person:" + connector.Digest(r.Body), connector.Digest([]byte(r.Header.Get("X-Toy-Id")))
	}
	s.decode = func(r connector.Request) ([]events.Fact, []connector.Fault) {
		var p struct {
			ID    int64  `json:"id"`
			Email string `json:"email"`
		}
		if err := json.Unmarshal(r.Body, &p); err != nil || p.ID <= 0 {
			return nil, []connector.Fault{{Class: connector.Undecodable, Reason: "the body is no person"}}
		}
		fields := events.Fields{"email": events.Null}
		if address, ok := contact.Email(p.Email); ok {
			fields["email"] = events.Text(address)
		}
		return []events.Fact{{Kind: events.Customer, Record: strconv.FormatInt(p.ID, 10), Fields: fields}}, nil
	}
	s.answer = func(connector.Request) (connector.Response, bool, bool) { return connector.Response{}, false, false }
	return s
}

// suite makes the toy's fixtures in a folder of its own.
func suite(t *testing.T, s toy) Suite {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []struct{ name, id, body string }{
		{"people_create", "1", `{"id":1,"email":"lan.nguyen@example.vn","phone":"0912345678"}`},
		{"people_create-broken", "2", `{"id":2,"email":["minh.tran@example.vn"]}`},
	} {
		folder := filepath.Join(dir, f.name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		head := "X-Toy-Id: " + f.id + "\nX-Toy-Mac: " + toyMAC("public-test-secret", []byte(f.body)) + "\n"
		for name, text := range map[string]string{"headers.txt": head, "body.json": f.body} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	made := Suite{
		New: func() connector.Connector {
			return connector.Connector{Manifest: s.manifest, Address: s.address, Source: func(c connector.Settings) (connector.Source, error) {
				if err := s.settings(c); err != nil {
					return nil, err
				}
				return s, nil
			}}
		},
		Settings: connector.Settings{Values: map[string]string{"shop": "toy"}},
		Secret:   "public-test-secret",
		Sign: func(r *connector.Request, k connector.Secret) {
			r.Header.Set("X-Toy-Mac", toyMAC(k, r.Body))
		},
		Fixtures: dir,
	}
	// The sound toy writes the goldens, so that a planted mistake meets them.
	good := made
	good.New = func() connector.Connector {
		g := sound()
		return connector.Connector{Manifest: g.manifest, Source: func(connector.Settings) (connector.Source, error) { return g, nil }}
	}
	good.Update = true
	if found := examine(good, named(t, "golden")); len(found) == 0 {
		t.Fatal("the check that writes goldens must fail")
	}
	return made
}

func named(t *testing.T, name string) check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no check is named %s", name)
	}
	return checks[i]
}

func TestSoundConnectorPasses(t *testing.T) {
	Run(t, suite(t, sound()))
}

// Each mistake is found by the check that is there for it.
func TestPlantedMistakes(t *testing.T) {
	type plant struct {
		about, check string
		spoil        func(*toy)
	}
	good := sound()
	wrap := func(change func(connector.Request, []events.Fact, []connector.Fault) ([]events.Fact, []connector.Fault)) func(*toy) {
		return func(s *toy) {
			s.decode = func(r connector.Request) ([]events.Fact, []connector.Fault) {
				facts, faults := good.decode(r)
				return change(r, facts, faults)
			}
		}
	}
	calls := 0
	for _, p := range []plant{
		{"anything verifies", "signature", func(s *toy) {
			s.verify = func(connector.Request, []connector.Secret) error { return nil }
		}},
		{"an empty secret signs", "signature", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				for _, k := range secrets {
					if toyMAC(k, r.Body) == r.Header.Get("X-Toy-Mac") {
						return nil
					}
				}
				return errors.New("no")
			}
		}},
		{"no secrets, no refusal", "signature", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				if len(secrets) == 0 && r.Header.Get("X-Toy-Mac") != "" {
					return nil
				}
				return good.verify(r, secrets)
			}
		}},
		{"the error tells the secret", "signature", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				if err := good.verify(r, secrets); err != nil && len(secrets) > 0 {
					return errors.New("not signed with " + string(secrets[0]))
				}
				return good.verify(r, secrets)
			}
		}},
		{"space around the body is cut before verifying", "tampering", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				r.Body = bytes.TrimSpace(r.Body)
				return good.verify(r, secrets)
			}
		}},
		{"case of the body does not matter", "tampering", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				if low := bytes.ToLower(r.Body); !bytes.Equal(low, r.Body) {
					r.Body = low
				}
				return good.verify(r, secrets)
			}
		}},
		{"only the newest secret counts", "rotation", func(s *toy) {
			s.verify = func(r connector.Request, secrets []connector.Secret) error {
				return good.verify(r, secrets[:min(1, len(secrets))])
			}
		}},
		{"the key holds an address", "key", func(s *toy) {
			s.key = func(r connector.Request) (string, string) { return "lan.nguyen@example.vn", r.Header.Get("X-Toy-Id") }
		}},
		{"the key holds a phone number", "key", func(s *toy) {
			s.key = func(r connector.Request) (string, string) { return "84912345678", r.Header.Get("X-Toy-Id") }
		}},
		{"the key takes a header as it is", "key", func(s *toy) {
			s.key = func(r connector.Request) (string, string) { return "person", r.Header.Get("X-Toy-Id") }
		}},
		{"two deliveries, one key", "key", func(s *toy) {
			s.key = func(connector.Request) (string, string) { return "person", "one" }
		}},
		{"an empty key", "key", func(s *toy) {
			s.key = func(r connector.Request) (string, string) { return "", connector.Digest(r.Body) }
		}},
		{"the key holds the time", "retry", func(s *toy) {
			s.key = func(r connector.Request) (string, string) {
				return "person", connector.Digest([]byte(r.ReceivedAt.String()))
			}
		}},
		{"a header is read that is not kept", "headers", func(s *toy) { s.manifest.Headers = nil }},
		{"decoding depends on what was decoded before", "purity", wrap(func(_ connector.Request, f []events.Fact, _ []connector.Fault) ([]events.Fact, []connector.Fault) {
			calls++
			return f, []connector.Fault{{Class: connector.Incomplete, Reason: strconv.Itoa(calls)}}
		})},
		{"a fact does not fit the catalogue", "purity", wrap(func(_ connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for _, one := range f {
				one.Fields["shoe_size"] = events.Text("38")
			}
			return f, g
		})},
		{"a fact names its workspace", "purity", wrap(func(_ connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for i := range f {
				f[i].Workspace = "demo"
			}
			return f, g
		})},
		{"the body is changed", "purity", func(s *toy) {
			s.decode = func(r connector.Request) ([]events.Fact, []connector.Fault) {
				defer func() { r.Body[0] = ' ' }()
				return good.decode(r)
			}
		}},
		{"the reason tells a value", "purity", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for i := range g {
				g[i].Reason += string(r.Body)
			}
			return f, g
		})},
		{"the reason tells a strange value", "types", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for i := range g {
				g[i].Reason += string(r.Body)
			}
			return f, g
		})},
		{"a fault without a class", "purity", wrap(func(_ connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for i := range g {
				g[i].Class = "odd"
			}
			return f, g
		})},
		{"a cut body panics", "truncation", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			_ = r.Body[len(r.Body)-10]
			return f, g
		})},
		{"an address is not checked", "types", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			var p struct{ Phone string }
			if json.Unmarshal(r.Body, &p) == nil {
				for _, one := range f {
					one.Fields["first_name"] = events.Text(p.Phone)
				}
			}
			return f, g
		})},
		{"memory grows with the square", "hostile", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			s := ""
			for _, c := range r.Body[:min(len(r.Body), 64<<10)] {
				s += string(rune(c))
			}
			_ = s
			return f, g
		})},
		{"faults without end", "hostile", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			for range bytes.Count(r.Body, []byte(",")) {
				g = append(g, connector.Fault{Class: connector.Incomplete, Reason: "a comma"})
			}
			return f, g
		})},
		{"a fact as large as the body", "hostile", wrap(func(r connector.Request, f []events.Fact, g []connector.Fault) ([]events.Fact, []connector.Fault) {
			fields := events.Fields{}
			for i := range len(r.Body) / 100 {
				fields["tag:"+strconv.Itoa(i)+string(bytes.Repeat([]byte("x"), 90))] = events.Text("+")
			}
			return []events.Fact{{Kind: events.Customer, Record: "1", Fields: fields}}, g
		})},
		{"a topic without a fixture", "topics", func(s *toy) { s.manifest.Topics = []string{"people/create", "people/delete"} }},
		{"fixtures of no topic", "topics", func(s *toy) { s.manifest.Topics = []string{"pets/create"} }},
		{"topics without order", "manifest", func(s *toy) { s.manifest.Topics = []string{"people/create", "a"} }},
		{"a bad pattern", "manifest", func(s *toy) {
			s.manifest.Settings = []connector.Setting{{Name: "shop", About: "x", Pattern: "["}}
		}},
		{"a header in lower case", "manifest", func(s *toy) { s.manifest.Headers = []string{"x-toy-id"} }},
		{"the platform's deliveries are nobody's", "manifest", func(s *toy) { s.manifest.Platform = true }},
		{"deliveries of the platform come from elsewhere", "manifest", func(s *toy) {
			s.address = func(connector.Request) (string, string, bool) { return "", "", false }
		}},
		{"deliveries come from two sides", "manifest", func(s *toy) {
			s.manifest.Platform, s.manifest.Internal = true, true
			s.address = func(connector.Request) (string, string, bool) { return "", "", false }
		}},
		{"anybody may post for the platform", "signature", func(s *toy) { s.manifest.Platform = true }},
		{"nobody is told the URL", "manifest", func(s *toy) { s.manifest.Setup = nil }},
		{"a page without a date", "manifest", func(s *toy) { s.manifest.Pages = []connector.Page{{URL: "https://example.vn"}} }},
		{"settings are not checked", "settings", func(s *toy) { s.settings = func(connector.Settings) error { return nil } }},
		{"the error does not name the setting", "settings", func(s *toy) {
			s.settings = func(c connector.Settings) error {
				if good.settings(c) != nil {
					return errors.New("wrong settings")
				}
				return nil
			}
		}},
		{"an answer without a status", "answers", func(s *toy) {
			s.answer = func(connector.Request) (connector.Response, bool, bool) { return connector.Response{}, true, true }
		}},
		{"the manifest does not say that it answers", "answers", func(s *toy) { s.manifest.Answers = "" }},
		{"final without an answer", "answers", func(s *toy) {
			s.answer = func(connector.Request) (connector.Response, bool, bool) { return connector.Response{}, true, false }
		}},
		{"another reading of the same bytes", "golden", wrap(func(_ connector.Request, f []events.Fact, _ []connector.Fault) ([]events.Fact, []connector.Fault) {
			return f, nil
		})},
	} {
		t.Run(p.about, func(t *testing.T) {
			s := sound()
			p.spoil(&s)
			if found := examine(suite(t, s), named(t, p.check)); len(found) == 0 {
				t.Errorf("the check %q does not see it", p.check)
			}
		})
	}
}

func TestWaivers(t *testing.T) {
	broken := sound()
	broken.key = func(connector.Request) (string, string) { return "person", "one" }
	s := suite(t, broken)
	s.Waive = map[string]string{"key": "a reason", "retry": "a reason"}
	if found := judge(s, named(t, "key")); len(found) != 0 {
		t.Errorf("waived, and yet: %q", found)
	}
	if found := judge(s, named(t, "retry")); len(found) != 1 || !strings.Contains(found[0], "take its waiver away") {
		t.Errorf("a waiver for what passes: %q", found)
	}
	s.Waive["key"] = ""
	if len(judge(s, named(t, "key"))) == 0 {
		t.Error("a waiver without a reason counts")
	}
}

func TestMissingFixturesAreFound(t *testing.T) {
	s := suite(t, sound())
	s.Fixtures = t.TempDir()
	if found := examine(s, named(t, "golden")); len(found) == 0 || !strings.Contains(found[0], "holds none") {
		t.Errorf("found %q", found)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"headers.txt": "OPTIONS newsletter?key=a%20b\nOrigin: https://example.vn\n", "body.form": "a=1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Load(dir)
	if err != nil || r.Method != http.MethodOptions || r.Rest != "newsletter" || r.Query.Get("key") != "a b" || r.Header.Get("Origin") == "" || string(r.Body) != "a=1" {
		t.Errorf("%+v, %v", r, err)
	}
	if again := string(head(r)); again != "OPTIONS newsletter?key=a+b\nOrigin: https://example.vn\n" {
		t.Errorf("written as %q", again)
	}
}
