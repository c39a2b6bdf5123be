package definition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/fault"
	"loophub/shared/workspace"
)

const file = `
workspace: saigon
name: Trà Lan
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  shop: {connector: till}
`

type world struct {
	*awstest.Cloud
	db     *dynamodb.Client
	ssm    *ssm.Client
	reader *definition.Reader
	writer *definition.Writer
}

func newWorld(t testing.TB) world {
	c := awstest.New(t)
	db, parameters := dynamodb.NewFromConfig(c.Config()), ssm.NewFromConfig(c.Config())
	return world{c, db, parameters,
		definition.NewReader(db, parameters, awstest.Hub, awstest.Prefix, c.Now),
		definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
			strings.NewReader(strings.Repeat("random bytes of a test ", 100)))}
}

func (w world) apply(t *testing.T, text string) definition.Applied {
	t.Helper()
	a, err := w.writer.Apply(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w world) text(t *testing.T, sort string) string {
	t.Helper()
	out, err := w.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(awstest.Hub), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "saigon#definition"}, "sk": &types.AttributeValueMemberS{Value: sort}}})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := out.Item["y"].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return s.Value
}

func TestApplyAndLoad(t *testing.T) {
	w := newWorld(t)
	first := w.apply(t, file)
	if first.Version != 1 || !first.Changed {
		t.Errorf("%+v", first)
	}
	if again := w.apply(t, file); again.Version != 1 || again.Changed {
		t.Errorf("%+v", again)
	}
	got, err := w.reader.Load(t.Context(), "saigon")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Workspace, got); diff != "" {
		t.Error(diff)
	}
	second := strings.Replace(file, "Trà Lan", "Trà Lan 2", 1)
	if a := w.apply(t, second); a.Version != 2 || !a.Changed {
		t.Errorf("%+v", a)
	}
	if w.text(t, "V#00000001") != file || w.text(t, "V#00000002") != second || w.text(t, "CURRENT") != second {
		t.Error("not every version is kept")
	}
	w.Advance(61 * time.Second)
	if got, err := w.reader.Load(t.Context(), "saigon"); err != nil || got.Name != "Trà Lan 2" {
		t.Error(got, err)
	}
}

// TestVersions: an older version is there for who is still on it, and read once.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	w.apply(t, strings.Replace(file, "Trà Lan", "Trà Lan 2", 1))
	for range 2 {
		for n, name := range []string{1: "Trà Lan", 2: "Trà Lan 2"} {
			switch got, err := w.reader.Version(t.Context(), "saigon", n); {
			case n == 0:
				if !errors.Is(err, workspace.ErrUnknown) {
					t.Error(err)
				}
			case err != nil || got.Name != name || got.Version != n:
				t.Error(n, got, err)
			}
		}
	}
	if n := w.Calls("dynamodb.GetItem"); n != 2+2 {
		t.Errorf("%d reads, want two of the writer and two of ours", n)
	}
	for _, unknown := range []struct {
		id string
		n  int
	}{{"saigon", 3}, {"saigon", -1}, {"hue", 1}, {"Not#An/Id", 1}} {
		if _, err := w.reader.Version(t.Context(), unknown.id, unknown.n); !errors.Is(err, workspace.ErrUnknown) {
			t.Error(unknown, err)
		}
	}
	// While the table is down, what was read serves, and nothing is said to be unknown.
	w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalServerError"} }
	w.Advance(time.Hour)
	if got, err := w.reader.Version(t.Context(), "saigon", 1); err != nil || got.Version != 1 {
		t.Error(got, err)
	}
	if _, err := w.reader.Version(t.Context(), "saigon", 4); err == nil || errors.Is(err, workspace.ErrUnknown) {
		t.Error(err)
	}
}

// TestLargeFile: a file of the greatest size is kept, whatever its texts are full
// of; one that would not fit into an item is refused before anything is written.
func TestLargeFile(t *testing.T) {
	w := newWorld(t)
	const room = workspace.MaxSize - 2_000
	for _, filling := range []string{"<", `\`, `\"`, "\u2028", `\x01`} {
		text := file + `identity: {denied_phones: ["0` + strings.Repeat(filling+filling, room/len(filling)/2) + `"]}`
		if _, err := w.writer.Apply(t.Context(), []byte(text)); err != nil {
			t.Errorf("%s: %.200v", filling, err)
		}
	}
	var many strings.Builder
	many.WriteString(file)
	for n := 0; many.Len() < room; n++ {
		fmt.Fprintf(&many, "  c%d: {connector: till}\n", n)
	}
	before := w.Calls("dynamodb.TransactWriteItems")
	_, err := w.writer.Apply(t.Context(), []byte(many.String()))
	var problems workspace.Problems
	if !errors.As(err, &problems) || w.Calls("dynamodb.TransactWriteItems") != before {
		t.Errorf("%.200v", err)
	}
}

func TestApplyRefuses(t *testing.T) {
	w := newWorld(t)
	_, err := w.writer.Apply(t.Context(), []byte("workspace: saigon\n"))
	var problems workspace.Problems
	if !errors.As(err, &problems) || w.Calls("dynamodb.TransactWriteItems")+w.Calls("ssm.PutParameter") != 0 {
		t.Error("a bad file changes something:", err)
	}
	w.apply(t, file)
	// Somebody applies between our look and our write.
	w.Fault = func(call string) *awstest.Fault {
		if call == "dynamodb.TransactWriteItems" {
			w.Fault = nil
			w.apply(t, strings.Replace(file, "Trà Lan", "theirs", 1))
		}
		return nil
	}
	_, err = w.writer.Apply(t.Context(), []byte(strings.Replace(file, "Trà Lan", "ours", 1)))
	if err == nil || !strings.Contains(err.Error(), "somebody else applied") {
		t.Error(err)
	}
	if !strings.Contains(w.text(t, "CURRENT"), "theirs") || w.text(t, "V#00000003") != "" {
		t.Error("theirs is gone")
	}
}

func TestIdentityKeyIsMadeOnce(t *testing.T) {
	w := newWorld(t)
	if _, err := w.reader.IdentityKey(t.Context(), "saigon"); fault.ClassOf(err) != fault.Permanent {
		t.Error(err)
	}
	w.Advance(11 * time.Second)
	w.apply(t, file)
	first, err := w.reader.IdentityKey(t.Context(), "saigon")
	if err != nil || len(first) != 32 {
		t.Fatal(first, err)
	}
	w.apply(t, file+"\n# changed\n")
	w.Advance(time.Hour)
	if again, err := w.reader.IdentityKey(t.Context(), "saigon"); err != nil || !bytes.Equal(first, again) {
		t.Error("the key changed:", err)
	}
	w.SetParameter("/loophub/saigon/identity-key", "c2hvcnQ=")
	w.Advance(time.Hour)
	fresh := definition.NewReader(w.db, w.ssm, awstest.Hub, awstest.Prefix, w.Now)
	if _, err := fresh.IdentityKey(t.Context(), "saigon"); fault.ClassOf(err) != fault.Permanent || strings.Contains(err.Error(), "c2hv") {
		t.Error(err)
	}
}

func TestSecrets(t *testing.T) {
	w := newWorld(t)
	if s, err := w.reader.Secrets(t.Context(), "saigon", "shop"); err != nil || len(s) != 0 {
		t.Error(s, err)
	}
	want := []connector.Secret{"new", "old"}
	if err := w.writer.SetSecrets(t.Context(), "saigon", "shop", want); err != nil {
		t.Fatal(err)
	}
	w.Advance(11 * time.Second)
	if s, err := w.reader.Secrets(t.Context(), "saigon", "shop"); err != nil || !cmp.Equal(s, want) {
		t.Error(s, err)
	}
	w.SetParameter("/loophub/saigon/connections/shop/secrets", `hunter2`)
	fresh := definition.NewReader(w.db, w.ssm, awstest.Hub, awstest.Prefix, w.Now)
	if _, err := fresh.Secrets(t.Context(), "saigon", "shop"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestAuthorise(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	w.apply(t, strings.Replace(file, "saigon", "hanoi", 1))
	for i, bad := range []string{"saigon.short", "hanoi.0123456789abcdef", "0123456789abcdef"} {
		if err := w.writer.SetTokens(t.Context(), "saigon", []string{bad}); err == nil || strings.Contains(err.Error(), bad) {
			t.Error(i, err)
		}
	}
	tokens := []string{"saigon.0123456789abcdef", "saigon.fedcba9876543210"}
	if err := w.writer.SetTokens(t.Context(), "saigon", tokens); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if id, err := w.reader.Authorise(t.Context(), token); id != "saigon" || err != nil {
			t.Error(id, err)
		}
	}
	for _, token := range []string{"", "saigon", "saigon.", "saigon.0123456789abcde", "hanoi.0123456789abcdef", "hue.0123456789abcdef", "../x.y"} {
		if id, err := w.reader.Authorise(t.Context(), token); id != "" || !errors.Is(err, workspace.ErrToken) {
			t.Error(token, id, err)
		}
	}
	w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalServerError"} }
	if _, err := w.reader.Authorise(t.Context(), "dalat.0123456789abcdef"); err == nil || errors.Is(err, workspace.ErrToken) {
		t.Error("an outage looks like a wrong token:", err)
	}
}

// counted gives how often the table was read since, and a Load without its value.
func (w world) counted(t *testing.T) (reads func() int, load func(string) error) {
	base := w.Calls("dynamodb.GetItem")
	return func() int { return w.Calls("dynamodb.GetItem") - base },
		func(id string) error { _, err := w.reader.Load(t.Context(), id); return err }
}

func TestCache(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	reads, load := w.counted(t)
	for range 3 {
		if err := load("saigon"); err != nil || reads() != 1 {
			t.Fatal(reads(), err)
		}
	}
	for range 3 {
		if err := load("hanoi"); !errors.Is(err, workspace.ErrUnknown) || reads() != 2 {
			t.Fatal(reads(), err)
		}
	}
	if err := load("Not#An/Id"); !errors.Is(err, workspace.ErrUnknown) || reads() != 2 {
		t.Fatal("a name that can't exist is looked up", err)
	}
	// What was unknown is found ten seconds after it is there.
	w.apply(t, strings.Replace(file, "saigon", "hanoi", 1))
	w.Advance(11 * time.Second)
	if err := load("hanoi"); err != nil {
		t.Fatal(err)
	}
	// What is removed is gone a minute later.
	if _, err := w.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(awstest.Hub), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "saigon#definition"}, "sk": &types.AttributeValueMemberS{Value: "CURRENT"}}}); err != nil {
		t.Fatal(err)
	}
	w.Advance(61 * time.Second)
	if err := load("saigon"); !errors.Is(err, workspace.ErrUnknown) {
		t.Error("removed, and still served", err)
	}
}

func TestStrangersPushNothingOut(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	reads, load := w.counted(t)
	if err := load("saigon"); err != nil {
		t.Fatal(err)
	}
	for n := range 1_500 {
		if err := load(fmt.Sprint("x", n)); !errors.Is(err, workspace.ErrUnknown) {
			t.Fatal(err)
		}
	}
	before := reads()
	if err := load("saigon"); err != nil || reads() != before {
		t.Fatal("pushed out", err)
	}
}

// While the table can't be read, the last good definition serves, and a stranger is
// not told that there is none.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	reads, load := w.counted(t)
	if err := load("saigon"); err != nil {
		t.Fatal(err)
	}
	w.Advance(61 * time.Second)
	w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalServerError"} }
	before := reads()
	for range 5 {
		if err := load("saigon"); err != nil {
			t.Fatal(err)
		}
	}
	if reads() != before+1 {
		t.Error("each request waits for the outage:", reads()-before)
	}
	if err := load("hue"); err == nil || errors.Is(err, workspace.ErrUnknown) {
		t.Error(err)
	}
	w.Fault = nil
	w.Advance(11 * time.Second)
	before = reads()
	if err := load("saigon"); err != nil || reads() != before+1 {
		t.Error("it is not looked at again", err)
	}
}

// Who can't do with an old definition waits for the outage to end.
func TestOutageWithin(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	w.reader.Within(2 * time.Minute)
	reads, load := w.counted(t)
	if err := load("saigon"); err != nil {
		t.Fatal(err)
	}
	fail := func(string) *awstest.Fault { return &awstest.Fault{Status: 500, Code: "InternalServerError"} }
	for age, good := range map[time.Duration]bool{59 * time.Second: true, 110 * time.Second: true, 2 * time.Minute: false, time.Hour: false} {
		w.Fault = nil
		w.Advance(time.Hour)
		if err := load("saigon"); err != nil { // read anew
			t.Fatal(err)
		}
		w.Fault = fail
		w.Advance(age)
		if err := load("saigon"); (err == nil) != good {
			t.Errorf("%s after it was read: %v", age, err)
		}
		before := reads()
		if err := load("saigon"); (err == nil) != good || good && reads() != before {
			t.Errorf("%s after it was read, at once again: %v, %d reads", age, err, reads()-before)
		}
	}
}

func TestItemsOfAnotherFormat(t *testing.T) {
	w := newWorld(t)
	w.apply(t, file)
	for _, change := range []string{"SET fv = :two", "REMOVE d", "SET d = :broken"} {
		values := map[string]types.AttributeValue{}
		for name, v := range map[string]types.AttributeValue{":two": &types.AttributeValueMemberN{Value: "2"}, ":broken": &types.AttributeValueMemberS{Value: "{"}} {
			if strings.Contains(change, name) {
				values[name] = v
			}
		}
		if len(values) == 0 {
			values = nil
		}
		if _, err := w.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(awstest.Hub), UpdateExpression: &change,
			ExpressionAttributeValues: values, Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: "saigon#definition"}, "sk": &types.AttributeValueMemberS{Value: "CURRENT"}}}); err != nil {
			t.Fatal(err)
		}
		_, err := definition.NewReader(w.db, w.ssm, awstest.Hub, awstest.Prefix, w.Now).Load(t.Context(), "saigon")
		if fault.ClassOf(err) != fault.Permanent || errors.Is(err, workspace.ErrUnknown) {
			t.Error(change, err)
		}
	}
}

// The stored form is a contract with items that exist: names never change.
func TestStoredForm(t *testing.T) {
	b, err := json.Marshal(workspace.Workspace{ID: "a", Name: "b", Country: "VN", Currency: "VND", Zone: "UTC",
		Connections: map[string]workspace.Connection{"c": {Name: "c", Connector: "d", Settings: map[string]string{"e": "f"}}},
		Identity:    workspace.Identity{DeniedEmails: []string{"g@h"}, DeniedPhones: []string{"0"}}})
	want := `{"workspace":"a","name":"b","country":"VN","currency":"VND","timezone":"UTC","connections":{"c":{"name":"c","connector":"d","settings":{"e":"f"}}},"identity":{"denied_emails":["g@h"],"denied_phones":["0"]}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

// TestRegistry: every workspace that was applied is in the registry, with a digest
// that differs where its segments do, and only there.
func TestRegistry(t *testing.T) {
	w := newWorld(t)
	w.writer = definition.NewWriter(w.db, w.ssm, awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
		strings.NewReader(strings.Repeat("random bytes of a test ", 100)), func(workspace.Workspace, workspace.Refuse) {})
	registered := func() (digest string, there bool) {
		out, err := w.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(awstest.Hub), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "workspaces"}, "sk": &types.AttributeValueMemberS{Value: "saigon"}}})
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := out.Item["g"].(*types.AttributeValueMemberS); ok {
			return g.Value, true
		}
		return "", out.Item != nil
	}
	w.apply(t, file)
	if g, there := registered(); !there || g != "" {
		t.Error(g, there)
	}
	seen := map[string]bool{"": true}
	for _, step := range []struct {
		text string
		same bool
	}{
		{file + "segments:\n  vip: {about: One, when: orders.count > 1}\n", false},
		{file + "segments:\n  vip: {about: Two, when: orders.count > 1}\n", true},
		{file + "segments:\n  vip: {when: orders.count > 2}\n", false},
		{file + "segments:\n  gold: {when: orders.count > 2}\n", false},
		{strings.Replace(file, "Ho_Chi_Minh", "Tokyo", 1) + "segments:\n  gold: {when: orders.count > 2}\n", false},
		{file, true},
	} {
		w.apply(t, step.text)
		g, there := registered()
		if !there || seen[g] != step.same {
			t.Errorf("%s: %q", step.text, g)
		}
		seen[g] = true
	}
	// A workspace that is older than the registry comes in when it is applied again.
	if _, err := w.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(awstest.Hub), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "workspaces"}, "sk": &types.AttributeValueMemberS{Value: "saigon"}}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if a := w.apply(t, file); a.Changed {
			t.Error(a)
		}
	}
	if _, there := registered(); !there {
		t.Error("not registered")
	}
}
