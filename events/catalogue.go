package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Type is the type of a field; it fixes the canonical text of its values.
type Type string

// The types and their canonical texts.
const (
	String  Type = "string"  // any text of up to 1,000 bytes
	ID      Type = "id"      // an id at the source, digits kept as they came, at most 200 bytes
	Email   Type = "email"   // normalised by shared/contact
	Phone   Type = "phone"   // E.164, by shared/contact
	Time    Type = "time"    // Unix milliseconds, decimal
	Money   Type = "money"   // minor units, decimal integer; the currency is another field
	Code    Type = "code"    // currency, ISO 4217, upper case
	Boolean Type = "boolean" // true or false
	List    Type = "list"    // compact JSON array of strings, sorted, without copies, up to 16 KB
	JSON    Type = "json"    // compact JSON of up to 16 KB
	Op      Type = "op"      // one of the words that the catalogue names
	Name    Type = "name"    // of an event, as ValidName has it
)

// Field describes one field of a kind. A name that ends in ':' is a family:
// refund:123, tag:vip, grant:email:marketing.
type Field struct {
	Type  Type
	Words []string // for Op
	About string
}

var person = map[string]Field{
	"email":         {Type: Email, About: "e-mail address"},
	"email_invalid": {Type: String, About: "an e-mail address that is none, as seen; never an identity"},
	"phone":         {Type: Phone, About: "phone number"},
	"phone_invalid": {Type: String, About: "a phone number that is none, as seen; never an identity"},
	"first_name":    {Type: String, About: "given name"},
	"last_name":     {Type: String, About: "family name"},
	"anonymous_id":  {Type: ID, About: "browser or device, as the source's own script named it"},
	"locale":        {Type: String, About: "language tag"},
	"country":       {Type: String, About: "ISO 3166 two-letter code"},
	"province":      {Type: String, About: "province or state"},
	"city":          {Type: String, About: "city"},
	"company":       {Type: String, About: "company name"},
	"timezone":      {Type: String, About: "IANA time zone, such as Europe/Berlin: whose clock quiet hours and times of day follow"},
	"grant:":        {Type: Time, About: "consent granted: grant:<channel>:<purpose>, when; explicit and dated evidence only"},
	"withdraw:":     {Type: Time, About: "consent withdrawn: withdraw:<channel>:<purpose>, when"},
	"ask:":          {Type: Time, About: "consent asked for, and still to be confirmed: ask:<channel>:<purpose>, when"},
	"tags":          {Type: List, About: "all tags, as a snapshot"},
	"tag:":          {Type: Op, Words: []string{"+", "-"}, About: "one tag added or removed"},
}

var sale = map[string]Field{
	"customer": {Type: ID, About: "the customer record of this connection; Null = the source says there is none"},
	"total":    {Type: Money, About: "what the customer pays, tax and shipping included, before refunds"},
	"currency": {Type: Code, About: "currency of every amount of the record"},
	"items":    {Type: JSON, About: "line items: [{product, variant, sku, title, quantity, price}], price in minor units"},
	"channel":  {Type: String, About: "where it was sold: web, pos, …"},
	"test":     {Type: Boolean, About: "a test of the source; never counted"},
	"deleted":  {Type: Boolean, About: "the source deleted the record"},
}

// Catalogue is every kind with its fields: what a decoder may say.
var Catalogue = map[Kind]map[string]Field{
	Customer: with(person, map[string]Field{
		"deleted":  {Type: Boolean, About: "the source deleted the record"},
		"verified": {Type: Boolean, About: "the source verified the e-mail address"},
		"state":    {Type: String, About: "account state at the source"},
		"birthday": {Type: String, About: "YYYY-MM-DD"},
	}),
	Order: with(person, sale, map[string]Field{
		"number":             {Type: String, About: "the number that the customer sees"},
		"ordered_at":         {Type: Time, About: "when the order was placed"},
		"cancelled_at":       {Type: Time, About: "when it was cancelled; Null = it is not"},
		"financial_status":   {Type: String, About: "paid, pending, refunded, …"},
		"fulfillment_status": {Type: String, About: "fulfilled, partial, …"},
		"discount_codes":     {Type: List, About: "codes that the customer used"},
		"refund:":            {Type: Money, About: "amount of one refund by its id, minor units"},
		"location":           {Type: ID, About: "shop or till"},
		"checkout":           {Type: ID, About: "the checkout that became this order"},
	}),
	Checkout: with(person, sale, map[string]Field{
		"started_at":   {Type: Time, About: "when the checkout was started"},
		"completed_at": {Type: Time, About: "when it became an order; Null = it did not"},
		"url":          {Type: String, About: "where the customer can go on"},
		"cart":         {Type: ID, About: "the cart that it came from"},
	}),
	Cart: with(sale, nil),
	Product: {
		"title":    {Type: String, About: "name"},
		"handle":   {Type: String, About: "name in URLs"},
		"vendor":   {Type: String, About: "maker"},
		"category": {Type: String, About: "the shop's own type of product"},
		"status":   {Type: String, About: "active, draft, archived"},
		"tags":     {Type: List, About: "all tags"},
		"variants": {Type: JSON, About: "[{id, sku, title, price}], price as the source's decimal text"},
		"deleted":  {Type: Boolean, About: "the source deleted the record"},
	},
	Form: with(person, map[string]Field{
		"form":    {Type: String, About: "name of the form"},
		"page":    {Type: String, About: "URL of the page, without query"},
		"answer:": {Type: String, About: "any other field of the form, by its name"},
	}),
	Decision: {
		"op":         {Type: Op, Words: []string{"tie", "split"}, About: "the two are one person, or are not"},
		"fragment_a": {Type: ID, About: "fragment id; or customer_a"},
		"fragment_b": {Type: ID, About: "fragment id; or customer_b"},
		"customer_a": {Type: ID, About: "customer record of this connection"},
		"customer_b": {Type: ID, About: "customer record of this connection"},
		"by":         {Type: String, About: "who decided: a role or a source, never an address"},
		"fragment":   {Type: ID, About: "fragment id, of a decision on its tags"},
		"tag:":       {Type: Op, Words: []string{"+", "-"}, About: "one tag that we ourselves add or remove; a source's snapshot does not undo it"},
	},
	Privacy: {
		"request":  {Type: Op, Words: []string{"access", "erase", "erase_shop"}, About: "what is asked for"},
		"customer": {Type: ID, About: "customer record of this connection"},
		"orders":   {Type: List, About: "order records concerned"},
	},
	App: {
		"status": {Type: Op, Words: []string{"installed", "uninstalled"}, About: "state of our app at the source"},
	},
	Event: with(person, map[string]Field{
		"name":      {Type: Name, About: "what happened, such as tasting.booked"},
		"fragment":  {Type: ID, About: "fragment id in place of an address; of our own API alone"},
		"property:": {Type: String, About: "anything else about it, by its name"},
		"product":   {Type: ID, About: "product record that it is about"},
		"value":     {Type: Money, About: "what it is worth"},
		"currency":  {Type: Code, About: "currency of the value"},
	}),
	Engagement: {
		"fragment":        {Type: ID, About: "fragment id that the message lies under"},
		"message":         {Type: ID, About: "the message's id"},
		"sent_at":         {Type: Time, About: "the provider took it"},
		"delivered_at":    {Type: Time, About: "it arrived"},
		"opened_at":       {Type: Time, About: "it was opened, by the person or by their mail program"},
		"clicked_at":      {Type: Time, About: "a link in it was followed"},
		"bounced_at":      {Type: Time, About: "it came back"},
		"complained_at":   {Type: Time, About: "the person marked it as spam"},
		"unsubscribed_at": {Type: Time, About: "the person wants no more of them"},
		"failed_at":       {Type: Time, About: "the provider did not send it"},
		"link":            {Type: String, About: "URL of the link that was followed, without query"},
		"bounce":          {Type: Op, Words: []string{"permanent", "transient"}, About: "whether the address is to be written to again"},
		"email":           {Type: Email, About: "the address that bounced or complained"},
		"grant:":          person["grant:"],
		"withdraw:":       person["withdraw:"],
	},
}

func with(parts ...map[string]Field) map[string]Field {
	m := map[string]Field{}
	for _, p := range parts {
		for k, f := range p {
			m[k] = f
		}
	}
	return m
}

// FieldOf finds the description of a field, by name or by family.
func FieldOf(k Kind, name string) (Field, bool) {
	f, ok := Catalogue[k][name]
	if ok && !strings.HasSuffix(name, ":") {
		return f, true
	}
	if head, rest, found := strings.Cut(name, ":"); found && rest != "" && len(name) <= 200 {
		f, ok = Catalogue[k][head+":"]
		return f, ok
	}
	return Field{}, false
}

var (
	eventName = regexp.MustCompile(`^[a-z][a-z0-9]*([._-][a-z0-9]+)*$`)
	// reserved begin the names of what Loophub itself tells of.
	reserved = []string{"order.", "checkout.", "form.", "consent.", "message.", "segment."}
)

// ValidName tells whether a merchant may give an event this name: up to 60
// lower-case letters, digits, dots, dashes and underscores, such as
// tasting.booked. Those that begin with one of our own nouns are Loophub's.
func ValidName(s string) bool {
	return len(s) <= maxName && eventName.MatchString(s) && !Reserved(s)
}

// Reserved tells whether a name is one by which Loophub itself tells what
// happened, such as order.placed: no fact can claim it.
func Reserved(s string) bool {
	return slices.ContainsFunc(reserved, func(noun string) bool { return strings.HasPrefix(s, noun) })
}

const (
	maxName = 60
	maxText = 1_000
	maxID   = 200
	maxJSON = 16 << 10
	minTime = 0                  // 1970: older dates are a source's way of saying "none"
	maxTime = 4_102_444_800_000  // 2100-01-01
	maxSum  = 10_000_000_000_000 // ten thousand billion minor units: no order is larger
)

// Validate tells what is wrong with the fact: an unknown field, or a value that
// is not of its field's type. The texts name fields, never values.
func (f Fact) Validate() error {
	if _, ok := Catalogue[f.Kind]; !ok {
		return fmt.Errorf("kind %q is not in the catalogue", f.Kind)
	}
	if f.Record == "" || len(f.Record) > maxID || strings.ContainsAny(f.Record, "|#\n") || !utf8.ValidString(f.Record) {
		return fmt.Errorf("%s: the record id is empty, too long, not UTF-8 or holds one of | #", f.Kind)
	}
	if f.Version < 0 || f.Version > maxTime*1000 || f.At < minTime || f.At > maxTime {
		return fmt.Errorf("%s: version or time of occurrence is out of range", f.Kind)
	}
	for name, v := range f.Fields {
		d, ok := FieldOf(f.Kind, name)
		if !ok || !utf8.ValidString(name) {
			return fmt.Errorf("%s: field %q is not in the catalogue", f.Kind, name)
		}
		if v.IsNull() {
			continue
		}
		if err := d.check(v.text); err != nil {
			return fmt.Errorf("%s: field %q %w", f.Kind, name, err)
		}
	}
	return nil
}

// check wants the one canonical text of a value: two texts for one value would be
// two facts, and a text that JSON can't hold would come back as another.
func (d Field) check(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("is not UTF-8")
	}
	switch d.Type {
	case Time:
		if n, ok := integer(s); !ok || n < minTime || n > maxTime {
			return fmt.Errorf("is not a date between 1970 and 2100")
		}
	case Money:
		if n, ok := integer(s); !ok || n > maxSum || n < -maxSum {
			return fmt.Errorf("is not an amount in minor units")
		}
	case Code:
		if len(s) != 3 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return fmt.Errorf("is not a currency")
		}
	case Boolean:
		if s != "true" && s != "false" {
			return fmt.Errorf("is neither true nor false")
		}
	case Op:
		if !slices.Contains(d.Words, s) {
			return fmt.Errorf("is none of %s", strings.Join(d.Words, ", "))
		}
	case List:
		if !compact(s) || !increasing(s) {
			return fmt.Errorf("is not a compact, sorted list without copies")
		}
	case JSON:
		if !compact(s) {
			return fmt.Errorf("is not compact JSON of up to 16 KB")
		}
	case ID:
		if s == "" || len(s) > maxID {
			return fmt.Errorf("is not an id")
		}
	case Email:
		if name, domain, ok := strings.Cut(s, "@"); !ok || name == "" || domain == "" || strings.Contains(domain, "@") ||
			len(s) > maxText || strings.ContainsFunc(s, unicode.IsSpace) || strings.ToLower(s) != s {
			return fmt.Errorf("is not a normalised e-mail address")
		}
	case Phone:
		if digits, ok := strings.CutPrefix(s, "+"); !ok || len(digits) < 5 || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
			return fmt.Errorf("is not a phone number in E.164")
		}
	case Name:
		if !ValidName(s) {
			return fmt.Errorf("is no name of an event, such as tasting.booked")
		}
	case String:
		if len(s) > maxText {
			return fmt.Errorf("is longer than %d bytes", maxText)
		}
	default:
		return fmt.Errorf("has a type that is not known: %s", d.Type)
	}
	return nil
}

// integer reads a decimal integer that is written in the one canonical way.
func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

func compact(s string) bool {
	var b bytes.Buffer
	return len(s) <= maxJSON && json.Compact(&b, []byte(s)) == nil && b.String() == s
}

func increasing(s string) bool {
	var l []string
	if json.Unmarshal([]byte(s), &l) != nil || l == nil {
		return false
	}
	for n := 1; n < len(l); n++ {
		if l[n-1] >= l[n] {
			return false
		}
	}
	return true
}
