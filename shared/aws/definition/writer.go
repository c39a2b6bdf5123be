package definition

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/workspace"
)

const (
	keySize     = 32
	sortCurrent = "CURRENT"
	registry    = "workspaces"
	// mostBytes is what text and JSON may have together: an item holds 400 KB.
	mostBytes   = 390 << 10
	attrFormat  = "fv" // format of the item
	attrVersion = "v"  // version of the definition, from 1
	attrText    = "y"  // the file as it was applied, for people
	attrJSON    = "d"  // what was read from it, for stages: they need not parse
	formatNow   = "1"
)

func key(id, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: id + "#definition"},
		"sk": &types.AttributeValueMemberS{Value: sort},
	}
}

func sortVersion(version int) string { return fmt.Sprintf("V#%08d", version) }

func secretsName(prefix, id, connection string) string {
	return prefix + "/" + id + "/connections/" + connection + "/secrets"
}
func credentialsName(prefix, id, connection string) string {
	return prefix + "/" + id + "/connections/" + connection + "/credentials"
}
func tokensName(prefix, id string) string { return prefix + "/" + id + "/tokens" }
func keyName(prefix, id string) string    { return prefix + "/" + id + "/identity-key" }

// Writer changes definitions, for the person who deploys. No stage may.
type Writer struct {
	db     *dynamodb.Client
	ssm    *ssm.Client
	table  string
	prefix string
	known  []connector.Manifest
	random io.Reader
	checks []workspace.Check
}

// NewWriter writes to where NewReader reads; known are the connectors that exist,
// random is crypto/rand's Reader, and checks read the rules of a file. They are
// handed in: stages read definitions too, and need not carry the language of rules.
func NewWriter(db *dynamodb.Client, parameters *ssm.Client, table, prefix string, known []connector.Manifest, random io.Reader, checks ...workspace.Check) *Writer {
	return &Writer{db, parameters, table, prefix, known, random, checks}
}

// Applied is the outcome of Apply.
type Applied struct {
	Workspace workspace.Workspace
	Version   int
	Changed   bool // false when the file says what already counted
}

// Apply checks a workspace file and makes it the definition that counts. A bad
// file changes nothing: its error is workspace.Problems. Of two people who apply
// at the same moment one is refused. Stages follow within a minute.
func (w *Writer) Apply(ctx context.Context, text []byte) (Applied, error) {
	ws, err := workspace.Parse(text, w.known, w.checks...)
	if err != nil {
		return Applied{}, err
	}
	if err := w.makeKey(ctx, ws.ID); err != nil {
		return Applied{}, err
	}
	body, err := encode(ws)
	if err != nil {
		return Applied{}, fmt.Errorf("encoding definition: %w", err)
	}
	if n := len(text) + len(body); n > mostBytes {
		return Applied{}, workspace.Problems{{Reason: fmt.Sprintf(
			"the file takes %d KB as it is kept, of at most %d; make the texts of its templates shorter", n>>10, mostBytes>>10)}}
	}
	old, err := read(ctx, w.db, w.table, ws.ID, sortCurrent)
	if err != nil && !errors.Is(err, workspace.ErrUnknown) {
		return Applied{}, fmt.Errorf("reading definition of %s: %w", ws.ID, err)
	}
	if old.text == string(text) && string(old.json) == string(body) {
		if err := w.register(ctx, ws); err != nil { // it may be older than the registry
			return Applied{}, fmt.Errorf("registering %s: %w", ws.ID, err)
		}
		ws.Version = old.version
		return Applied{ws, old.version, false}, nil
	}
	next := old.version + 1
	ws.Version = next
	if err := w.write(ctx, ws, next, text, body); err != nil {
		return Applied{}, fmt.Errorf("writing definition of %s: %w", ws.ID, err)
	}
	return Applied{ws, next, true}, nil
}

// encode keeps < and > as they are: templates are full of them, and escaped they
// take six bytes each.
func encode(ws workspace.Workspace) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(ws)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (w *Writer) register(ctx context.Context, ws workspace.Workspace) error {
	_, err := w.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: registered(ws),
		ConditionExpression: aws.String("attribute_not_exists(pk)")})
	var there *types.ConditionalCheckFailedException
	if errors.As(err, &there) {
		return nil
	}
	return err
}

func (w *Writer) write(ctx context.Context, ws workspace.Workspace, version int, text, body []byte) error {
	item := func(sort string) map[string]types.AttributeValue {
		m := key(ws.ID, sort)
		m[attrFormat] = &types.AttributeValueMemberN{Value: formatNow}
		m[attrVersion] = number(version)
		m[attrText] = &types.AttributeValueMemberS{Value: string(text)}
		m[attrJSON] = &types.AttributeValueMemberS{Value: string(body)}
		return m
	}
	now := &types.Put{TableName: &w.table, Item: item(sortCurrent),
		ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if version > 1 {
		now.ConditionExpression = aws.String("v = :old")
		now.ExpressionAttributeValues = map[string]types.AttributeValue{":old": number(version - 1)}
	}
	_, err := w.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: &w.table, Item: item(sortVersion(version)),
			ConditionExpression: aws.String("attribute_not_exists(pk)")}},
		{Put: now},
		{Put: &types.Put{TableName: &w.table, Item: registered(ws)}},
	}})
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		return fault.New(fault.Transient, "somebody else applied a definition at the same moment; look at theirs, then apply again")
	}
	return err
}

// makeKey makes the identity key of a workspace once; what exists stays.
func (w *Writer) makeKey(ctx context.Context, id string) error {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(w.random, key); err != nil {
		return fmt.Errorf("making identity key: %w", err)
	}
	name := keyName(w.prefix, id)
	_, err := w.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Type: ssmtypes.ParameterTypeSecureString,
		Value: aws.String(base64.StdEncoding.EncodeToString(key))})
	var exists *ssmtypes.ParameterAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// SetSecrets replaces what signs a connection's deliveries. While a secret is
// being rotated, both the old and the new one are given.
func (w *Writer) SetSecrets(ctx context.Context, id, connection string, secrets []connector.Secret) error {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = string(s)
	}
	return w.set(ctx, secretsName(w.prefix, id, connection), texts)
}

// SetCredentials replaces what a connection shows to its system, by name: the names
// stand in the manifest of its connector.
func (w *Writer) SetCredentials(ctx context.Context, id, connection string, credentials map[string]string) error {
	return w.set(ctx, credentialsName(w.prefix, id, connection), credentials)
}

// SetTokens replaces a workspace's API tokens, each <workspace>.<secret>.
func (w *Writer) SetTokens(ctx context.Context, id string, tokens []string) error {
	for i, t := range tokens {
		if secret, found := strings.CutPrefix(t, id+"."); !found || len(secret) < 16 {
			return fault.New(fault.Permanent, "token %d must read %s.<at least 16 random characters>", i+1, id)
		}
	}
	return w.set(ctx, tokensName(w.prefix, id), tokens)
}

func (w *Writer) set(ctx context.Context, name string, content any) error {
	value, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	_, err = w.ssm.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Type: ssmtypes.ParameterTypeSecureString,
		Value: aws.String(string(value)), Overwrite: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}
