package shopify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/connectors/conformance"
	"loophub/events"

	"github.com/google/go-cmp/cmp"
)

func testSource(t testing.TB) connector.Source {
	t.Helper()
	s, err := New().Source(testSettings)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func delivery(topic, body string) connector.Request {
	r := connector.Request{Method: "POST", Header: map[string][]string{}, Body: []byte(body), ReceivedAt: conformance.Received}
	r.Header.Set(topicHeader, topic)
	r.Header.Set(triggeredHeader, "2026-11-21T08:00:00Z")
	return r
}

// The only public vector: go-shopify's tests, secret "hush".
func TestPublishedSignature(t *testing.T) {
	r := delivery("orders/create", `"my secret message"`)
	r.Header.Set(signatureHeader, "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI=")
	if err := testSource(t).Verify(r, []connector.Secret{"hush"}); err != nil {
		t.Error(err)
	}
	r.Header.Set(shopHeader, "Lua-Hoi-An.myshopify.com")
	if err := testSource(t).Verify(r, []connector.Secret{"hush"}); err != nil {
		t.Errorf("the shop's name in another case: %v", err)
	}
	r.Header.Set(shopHeader, "other-shop.myshopify.com")
	if testSource(t).Verify(r, []connector.Secret{"hush"}) == nil {
		t.Error("another shop's delivery verifies")
	}
}

// field decodes and gives one field of the only fact of a kind.
func field(t *testing.T, topic, body string, k events.Kind, name string) string {
	t.Helper()
	facts, _ := testSource(t).Decode(delivery(topic, body))
	for _, f := range facts {
		if v, ok := f.Fields[name]; ok && f.Kind == k {
			if v.IsNull() {
				return "null"
			}
			return v.String()
		}
	}
	return "absent"
}

func TestOrderFields(t *testing.T) {
	for _, c := range []struct{ about, body, field, want string }{
		{"beyond 2^53", `"customer":{"id":9007199254740993}`, "customer", "9007199254740993"},
		{"a global id", `"customer":{"id":"gid:\/\/shopify\/Customer\/1"}`, "customer", "1"},
		{"guest", `"customer":null`, "customer", "null"},
		{"no opinion", `"x":1`, "customer", "absent"},
		{"an object without id", `"customer":{}`, "customer", "absent"},
		{"null e-mail", `"email":null`, "email", "null"},
		{"empty e-mail", `"email":""`, "email", "null"},
		{"absent e-mail", `"x":1`, "email", "absent"},
		{"contact e-mail", `"email":"","contact_email":"LAN@example.vn"`, "email", "lan@example.vn"},
		{"invalid e-mail", `"email":"lan"`, "email_invalid", "lan"},
		{"invalid e-mail clears", `"email":"lan"`, "email", "null"},
		{"phone by country of the shop", `"phone":"0912345678"`, "phone", "+84912345678"},
		{"phone by country of the address", `"phone":"5142546011","billing_address":{"country_code":"CA"}`, "phone", "+15142546011"},
		{"text total", `"total_price":"598.94","currency":"USD"`, "total", "59894"},
		{"number total", `"total_price":600000.0,"currency":"VND"`, "total", "600000"},
		{"current total", `"current_total_price":"5","currency":"VND"`, "total", "5"},
		{"null total", `"total_price":null,"currency":"VND"`, "total", "null"},
		{"no currency", `"total_price":"5"`, "total", "absent"},
		{"lower-case currency", `"currency":"vnd"`, "currency", "VND"},
		{"order date of the sale", `"created_at":"2026-01-02T00:00:00Z","processed_at":"2026-01-01T00:00:00Z"`, "ordered_at", "1767225600000"},
		{"not cancelled", `"cancelled_at":null`, "cancelled_at", "null"},
		{"bad cancellation", `"cancelled_at":"soon"`, "cancelled_at", "absent"},
		{"till", `"source_name":"pos","location_id":7`, "location", "7"},
		{"checkout by id", `"checkout_id":5,"checkout_token":"abc"`, "checkout", "5"},
		{"checkout by token", `"checkout_id":null,"checkout_token":"abc"`, "checkout", "abc"},
		{"number by name", `"name":"#1001","order_number":1001`, "number", "#1001"},
		{"number", `"order_number":1001`, "number", "1001"},
		{"names of the customer", `"customer":{"id":1,"first_name":"Lan"}`, "first_name", "Lan"},
		{"names of the bill", `"customer":{"id":1,"first_name":"Lan"},"billing_address":{"first_name":"Minh"}`, "first_name", "Minh"},
		{"codes", `"discount_codes":[{"code":"B"},{"code":"A"},{"code":"B"},{}]`, "discount_codes", `["A","B"]`},
		{"last of a repeated key", `"email":"a@example.vn","email":"b@example.vn"`, "email", "b@example.vn"},
		{"HTML stays", `"name":"<b>&"`, "number", "<b>&"},
		{"a line without product", `"currency":"VND","line_items":[{"title":"Quà","price":"1","quantity":1,"product_id":null}]`, "items",
			`[{"title":"Quà","quantity":1,"price":1}]`},
		{"a bad price", `"currency":"VND","line_items":[{"price":"0.5"}]`, "items", "absent"},
		{"refund", `"currency":"USD","refunds":[{"id":3,"transactions":[{"kind":"refund","status":"success","amount":"1.50"},{"kind":"refund","status":"success","amount":"2","currency":"USD"}]}]`, "refund:3", "350"},
		{"refund under way", `"currency":"USD","refunds":[{"id":3,"transactions":[{"kind":"refund","status":"pending","amount":"1.50"}]}]`, "refund:3", "0"},
		{"refund in the buyer's currency", `"currency":"USD","refunds":[{"id":3,"transactions":[{"kind":"refund","status":"success","amount":"1.50","currency":"CAD"}],"refund_line_items":[{"subtotal":1.0,"total_tax":0.1}]}]`, "refund:3", "110"},
		{"refund that can't be read", `"currency":"USD","refunds":[{"id":3,"transactions":[{"kind":"refund","status":"success","amount":"x"}]}]`, "refund:3", "absent"},
		{"refund without payment", `"currency":"USD","refunds":[{"id":3,"transactions":[],"refund_line_items":[{"subtotal":"7.00"}]}]`, "refund:3", "700"},
	} {
		body := `{"id":1,"updated_at":"2026-01-01T00:00:00Z",` + c.body + `}`
		if got := field(t, "orders/create", body, events.Order, c.field); got != c.want {
			t.Errorf("%s: %s = %s; want %s", c.about, c.field, got, c.want)
		}
	}
}

// TestRefundOnItsOwn: it does not say which currency the order is in, and what the
// buyer paid in is no answer where it may be another than the shop's.
func TestRefundOnItsOwn(t *testing.T) {
	paid := func(currency string) string {
		return `"transactions":[{"kind":"refund","status":"success","amount":"15","currency":"` + currency + `"}]`
	}
	for _, c := range []struct{ about, body, want string }{
		{"paid in the shop's currency", paid("VND"), "15"},
		{"paid in another, nothing else is said", paid("EUR"), "absent"},
		{"paid in another, duties are in the shop's", paid("EUR") + `,"total_duties_set":{"shop_money":{"amount":"0","currency_code":"VND"}}`, "absent"},
		{"a shop that is not in the workspace's currency, by its duties", paid("USD") + `,"total_duties_set":{"shop_money":{"amount":"0","currency_code":"USD"}}`, "1500"},
		{"the same by the shipping that was paid back", paid("USD") + `,"order_adjustments":[{"amount":"-15.00","amount_set":{"shop_money":{"amount":"-15.00","currency_code":"USD"}}}]`, "1500"},
	} {
		body := `{"id":3,"order_id":1,"created_at":"2026-01-01T00:00:00Z",` + c.body + `}`
		if got := field(t, "refunds/create", body, events.Order, "refund:3"); got != c.want {
			t.Errorf("%s: %s; want %s", c.about, got, c.want)
		}
		if _, faults := testSource(t).Decode(delivery("refunds/create", body)); (len(faults) > 0) != (c.want == "absent") {
			t.Errorf("%s: faults %v", c.about, faults)
		}
	}
}

func TestTimeOfAnOrder(t *testing.T) {
	for _, c := range []struct {
		body string
		want int64
	}{
		{`{"id":1,"updated_at":"2026-01-01T00:00:00Z","created_at":"2025-01-01T00:00:00Z"}`, 1767225600000},
		{`{"id":1,"updated_at":null,"created_at":"2026-01-01T07:00:00+07:00"}`, 1767225600000},
		{`{"id":1}`, 1795248000000}, // X-Shopify-Triggered-At
	} {
		facts, faults := testSource(t).Decode(delivery("orders/create", c.body))
		if len(facts) != 1 || facts[0].Version != c.want || facts[0].At != c.want {
			t.Errorf("%s: %v %v; want version and time %d", c.body, facts, faults, c.want)
		}
	}
	facts, faults := testSource(t).Decode(delivery("orders/create", `{"id":1,"updated_at":"yesterday"}`))
	if len(facts) != 0 || len(faults) != 1 || faults[0].Class != connector.InvalidValue {
		t.Errorf("an order with an impossible version: %v %v", facts, faults)
	}
}

func TestConsent(t *testing.T) {
	const born = `"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-02-01T00:00:00Z"`
	for _, c := range []struct{ about, body, field, want string }{
		{"dated", `"email_marketing_consent":{"state":"SUBSCRIBED","consent_updated_at":"2026-01-01T00:00:00Z"}`, "grant:email:marketing", "1767225600000"},
		{"undated", `"email_marketing_consent":{"state":"subscribed","consent_updated_at":null}`, "grant:email:marketing", "absent"},
		{"bad date", `"email_marketing_consent":{"state":"subscribed","consent_updated_at":"x"}`, "grant:email:marketing", "absent"},
		{"date to come", `"email_marketing_consent":{"state":"subscribed","consent_updated_at":"2030-01-01T00:00:00Z"}`, "grant:email:marketing", "absent"},
		{"pending", `"email_marketing_consent":{"state":"pending","consent_updated_at":"2026-01-01T00:00:00Z"}`, "grant:email:marketing", "absent"},
		{"never", `"email_marketing_consent":{"state":"not_subscribed","consent_updated_at":"2026-01-01T00:00:00Z"}`, "withdraw:email:marketing", "absent"},
		{"withdrawn", `"sms_marketing_consent":{"state":"unsubscribed","consent_updated_at":"2026-01-01T00:00:00Z"}`, "withdraw:sms:marketing", "1767225600000"},
		{"withdrawn, undated", `"sms_marketing_consent":{"state":"unsubscribed"}`, "withdraw:sms:marketing", "1795248000000"},
		{"withdrawn, bad date", `"sms_marketing_consent":{"state":"invalid","consent_updated_at":"x"}`, "withdraw:sms:marketing", "1795248000000"},
		{"withdrawn, date to come", `"sms_marketing_consent":{"state":"redacted","consent_updated_at":"2030-01-01T00:00:00Z"}`, "withdraw:sms:marketing", "1795248000000"},
		{"legacy true", `"accepts_marketing":true,"accepts_marketing_updated_at":"2026-01-01T00:00:00Z"`, "grant:email:marketing", "1767225600000"},
		{"legacy true, undated", `"accepts_marketing":true`, "grant:email:marketing", "absent"},
		{"legacy false from the start", `"accepts_marketing":false,"accepts_marketing_updated_at":"2026-01-01T00:00:01Z",` + born, "withdraw:email:marketing", "absent"},
		{"legacy false later", `"accepts_marketing":false,"accepts_marketing_updated_at":"2026-01-01T01:00:00Z",` + born, "withdraw:email:marketing", "1767229200000"},
		{"legacy beside the new form", `"accepts_marketing":true,"accepts_marketing_updated_at":"2026-01-01T00:00:00Z","email_marketing_consent":{"state":"pending"}`, "grant:email:marketing", "absent"},
	} {
		if got := field(t, "customers/update", `{"id":1,"updated_at":"2026-02-01T00:00:00Z",`+c.body+`}`, events.Customer, c.field); got != c.want {
			t.Errorf("%s: %s = %s; want %s", c.about, c.field, got, c.want)
		}
	}
}

// The topic is not signed. A body that is sent again under another topic gives
// nothing that its own topic would not have given, with the exceptions that the
// manifest names.
func TestAnotherTopicDoesNoHarm(t *testing.T) {
	source := testSource(t)
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) < 40 {
		t.Fatalf("%d fixtures: %v", len(dirs), err)
	}
	said := func(r connector.Request) map[string]bool {
		facts, _ := source.Decode(r)
		m := map[string]bool{}
		for _, f := range facts {
			for name, v := range f.Fields {
				m[string(f.Kind)+" "+f.Record+" "+name+" = "+v.String()] = true
			}
		}
		return m
	}
	for _, dir := range dirs {
		if strings.HasSuffix(dir, "-swapped") || strings.HasSuffix(dir, "fuzz") {
			continue
		}
		r, err := conformance.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		own, name := said(r), r.Header.Get(topicHeader)
		for other := range topics {
			if other == name || swappable[name+" "+other] {
				continue
			}
			r.Header.Set(topicHeader, other)
			for statement := range said(r) {
				if !own[statement] {
					t.Errorf("%s as %s says: %s", dir, other, statement)
				}
			}
		}
	}
}

// swappable are the pairs of topics whose bodies don't differ.
var swappable = map[string]bool{
	"customer.tags_added customer.tags_removed": true, "customer.tags_removed customer.tags_added": true,
	"orders/delete products/delete": true, "products/delete orders/delete": true,
}

func TestUnreadTopics(t *testing.T) {
	for topic, want := range map[string]string{
		"customer.left_segment":         "the topic customer.left_segment is not read",
		"Lan <lan@example.vn>\n":        "a topic without a proper name",
		strings.Repeat("a", 81):         "a topic without a proper name",
		"":                              "a topic without a proper name",
		"subscription_contracts/create": "the topic subscription_contracts/create is not read",
	} {
		facts, faults := testSource(t).Decode(delivery(topic, `{}`))
		if len(facts) != 0 || len(faults) != 1 || faults[0].Class != connector.UnknownTopic || !strings.HasPrefix(faults[0].Reason, want) {
			t.Errorf("%q: %v %v", topic, facts, faults)
		}
	}
}

func TestItemsAreBounded(t *testing.T) {
	line := `{"product_id":8244017561906,"variant_id":44310298534194,"sku":"AD-TT-M","title":"` + strings.Repeat("ế", 200) + `","quantity":1,"price":"1"}`
	body := `{"id":1,"currency":"VND","line_items":[` + strings.Repeat(line+",", 99) + line + `]}`
	got := field(t, "orders/create", body, events.Order, "items")
	if len(got) > maxItemsText || strings.Count(got, "product") > maxItems || strings.Count(got, "product") < 20 {
		t.Errorf("%d bytes, %d items", len(got), strings.Count(got, "product"))
	}
}

func TestOneDeliveryIsBounded(t *testing.T) {
	many := func(unit string, n int) string { return strings.TrimSuffix(strings.Repeat(unit+",", n), ",") }
	var refunds []string
	for i := range maxRefunds + 5 {
		refunds = append(refunds, fmt.Sprintf(`{"id":%d,"transactions":[]}`, i+1))
	}
	var tags []string
	for i := range maxTags + 5 {
		tags = append(tags, fmt.Sprintf(`"t%d"`, i))
	}
	for _, c := range []struct {
		about, topic, body string
		fields, faults     int
	}{
		{"refunds", "orders/create", `{"id":1,"currency":"VND","refunds":[` + strings.Join(refunds, ",") + `]}`, maxRefunds + 1, 1},
		{"tags", "customer.tags_added", `{"customerId":1,"tags":[` + strings.Join(tags, ",") + `]}`, maxTags, 1},
		{"faults", "orders/create", `{"id":1,"currency":"VND","refunds":[` + many(`{}`, maxRefunds) + `]}`, 1, maxFaults},
	} {
		facts, faults := testSource(t).Decode(delivery(c.topic, c.body))
		if len(facts) != 1 || len(facts[0].Fields) != c.fields || len(faults) != c.faults {
			t.Errorf("%s: %d facts, %d faults", c.about, len(facts), len(faults))
		}
	}
}

func TestKey(t *testing.T) {
	r := delivery("orders/paid", `{"id":5}`)
	r.Header.Set(eventHeader, "ev-1")
	object, paid := testSource(t).Key(r)
	r.Header.Set(topicHeader, "orders/create")
	_, created := testSource(t).Key(r)
	if object != "order:5" || paid == created {
		t.Errorf("%s: two topics of one event are two deliveries: %s, %s", object, paid, created)
	}
	for body, want := range map[string]string{
		`{"id":"gid:\/\/shopify\/Order\/7"}`: "order:7", `{"id":9007199254740993}`: "order:9007199254740993",
	} {
		r.Body = []byte(body)
		if object, _ := testSource(t).Key(r); object != want {
			t.Errorf("%s: %s; want %s", body, object, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, dir := range dirs {
		if r, err := conformance.Load(dir); err == nil {
			f.Add(r.Header.Get(topicHeader), r.Header.Get(triggeredHeader), r.Body)
		}
	}
	source := testSource(f)
	f.Fuzz(func(t *testing.T, topic, triggered string, body []byte) {
		r := delivery(topic, string(body))
		r.Header.Set(triggeredHeader, triggered)
		facts, faults := source.Decode(r)
		for _, fact := range facts {
			if err := fact.Validate(); err != nil {
				t.Errorf("an invalid fact: %v", err)
			}
			for name := range fact.Fields {
				if strings.HasPrefix(name, "grant:") && !strings.Contains(strings.ToLower(string(body)), "subscribed") && !strings.Contains(string(body), "accepts") {
					t.Errorf("consent without evidence: %s", name)
				}
			}
		}
		for _, fault := range faults {
			if strings.Contains(fault.Reason, "does not fit the catalogue") {
				t.Errorf("a reader let an impossible fact through: %v", fault)
			}
		}
		again, _ := source.Decode(r)
		if diff := cmp.Diff(facts, again, cmp.AllowUnexported(events.Value{})); diff != "" {
			t.Errorf("decoded twice: %s", diff)
		}
		if object, delivery := source.Key(r); object == "" || delivery == "" || len(object)+len(delivery) > 400 {
			t.Errorf("a bad key: %q, %q", object, delivery)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"id":1}`), "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI=")
	f.Add([]byte(`"my secret message"`), "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI")
	f.Add([]byte(``), "")
	source := testSource(f)
	f.Fuzz(func(t *testing.T, body []byte, given string) {
		r := delivery("orders/create", string(body))
		r.Header.Set(signatureHeader, given)
		if source.Verify(r, []connector.Secret{"hush"}) == nil && given != signature("hush", body) {
			t.Errorf("%q verifies for %q", given, body)
		}
	})
}

func order(b *testing.B) connector.Request {
	b.Helper()
	r, err := conformance.Load("testdata/orders_create")
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// Figure to meet: 100 µs for an order of 6 KB.
func BenchmarkVerifyAndDecode(b *testing.B) {
	r, source, secrets := order(b), testSource(b), []connector.Secret{testSecret}
	b.SetBytes(int64(len(r.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := source.Verify(r, secrets); err != nil {
			b.Fatal(err)
		}
		if facts, _ := source.Decode(r); len(facts) != 2 {
			b.Fatal(len(facts))
		}
	}
}

func BenchmarkVerifyAndKey(b *testing.B) {
	r, source, secrets := order(b), testSource(b), []connector.Secret{testSecret}
	b.ReportAllocs()
	for b.Loop() {
		if err := source.Verify(r, secrets); err != nil {
			b.Fatal(err)
		}
		source.Key(r)
	}
}

// TestMain keeps UPDATE=1 from being left on by mistake: it is announced.
func TestMain(m *testing.M) {
	if os.Getenv("UPDATE") != "" {
		os.Stderr.WriteString("UPDATE is set: goldens are rewritten and the run fails\n")
	}
	os.Exit(m.Run())
}
