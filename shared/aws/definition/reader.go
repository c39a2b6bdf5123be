// Package definition keeps workspace definitions in the Hub table and their
// secrets in Parameter Store.
//
//	<workspace>#definition  CURRENT      what counts now
//	<workspace>#definition  V#00000001   every version that ever did
//	workspaces              <workspace>  which workspaces there are
//	<prefix>/<workspace>/connections/<name>/secrets   JSON array, any may sign
//	<prefix>/<workspace>/connections/<name>/credentials  JSON object: what we show to its system
//	<prefix>/<workspace>/tokens                       JSON array of API tokens
//	<prefix>/<workspace>/identity-key                 32 bytes, base64, for ever
package definition

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/workspace"
)

var errNone = errors.New("no such parameter")

// Reader reads definitions for a stage and remembers them for a minute. Copies
// are bounded, unknown names are remembered for ten seconds, and while a read
// fails the last good value serves. What it returns is shared: not to be changed.
type Reader struct {
	db         *dynamodb.Client
	ssm        *ssm.Client
	table      string
	prefix     string
	workspaces *cache[workspace.Workspace]
	versions   *cache[workspace.Workspace]
	secrets    *cache[[]connector.Secret]
	tokens     *cache[[][32]byte]
	keys       *cache[[]byte]

	credentials *cache[map[string]string]
}

// NewReader reads from the Hub table and from parameters below prefix ("/loophub").
func NewReader(db *dynamodb.Client, parameters *ssm.Client, table, prefix string, now func() time.Time) *Reader {
	return &Reader{
		db: db, ssm: parameters, table: table, prefix: prefix,
		workspaces: newCache[workspace.Workspace](now, workspace.ErrUnknown),
		versions:   newCache[workspace.Workspace](now, workspace.ErrUnknown),
		secrets:    newCache[[]connector.Secret](now, errNone),
		tokens:     newCache[[][32]byte](now, errNone),
		keys:       newCache[[]byte](now, errNone),

		credentials: newCache[map[string]string](now, errNone),
	}
}

// Within bounds how old a definition may be that serves while reads fail. It is for who decides something that nobody
// looks at again: a wrong answer lasts, while a failure is tried again.
func (r *Reader) Within(age time.Duration) *Reader {
	r.workspaces.most = age
	return r
}

// Load gives the definition that counts now, or workspace.ErrUnknown.
func (r *Reader) Load(ctx context.Context, id string) (workspace.Workspace, error) {
	if !workspace.ValidID(id) {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	return r.workspaces.load(ctx, id, func(ctx context.Context) (workspace.Workspace, error) {
		s, err := read(ctx, r.db, r.table, id, sortCurrent)
		if err != nil {
			return workspace.Workspace{}, fmt.Errorf("reading definition of %s: %w", id, err)
		}
		return s.workspace, nil
	})
}

// Version gives a definition that counts or once did, or workspace.ErrUnknown:
// who is inside a journey finishes on the version that he began with.
func (r *Reader) Version(ctx context.Context, id string, version int) (workspace.Workspace, error) {
	now, err := r.Load(ctx, id)
	if err == nil && now.Version == version {
		return now, nil
	}
	if err != nil && errors.Is(err, workspace.ErrUnknown) || version < 1 {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	return r.versions.load(ctx, id+"#"+strconv.Itoa(version), func(ctx context.Context) (workspace.Workspace, error) {
		s, err := read(ctx, r.db, r.table, id, sortVersion(version))
		if err != nil {
			return workspace.Workspace{}, fmt.Errorf("reading version %d of the definition of %s: %w", version, id, err)
		}
		return s.workspace, nil
	})
}

// Secrets are what signs the deliveries of a connection; none where none is set.
func (r *Reader) Secrets(ctx context.Context, id, connection string) ([]connector.Secret, error) {
	name := secretsName(r.prefix, id, connection)
	s, err := r.secrets.load(ctx, name, func(ctx context.Context) ([]connector.Secret, error) {
		return list[connector.Secret](ctx, r.ssm, name)
	})
	if errors.Is(err, errNone) {
		return nil, nil
	}
	return s, err
}

// Credentials are what a connection shows to its system, by name; none where none
// are set.
func (r *Reader) Credentials(ctx context.Context, id, connection string) (map[string]string, error) {
	name := credentialsName(r.prefix, id, connection)
	c, err := r.credentials.load(ctx, name, func(ctx context.Context) (map[string]string, error) {
		text, err := parameter(ctx, r.ssm, name)
		if err != nil {
			return nil, err
		}
		var m map[string]string
		if json.Unmarshal([]byte(text), &m) != nil {
			return nil, fault.New(fault.Permanent, `reading %s: it must be a JSON object of texts, such as {"access_token": "…"}`, name)
		}
		return m, nil
	})
	if errors.Is(err, errNone) {
		return nil, nil
	}
	return c, err
}

// IdentityKey is the key under which a workspace's identifiers are hashed.
func (r *Reader) IdentityKey(ctx context.Context, id string) ([]byte, error) {
	name := keyName(r.prefix, id)
	key, err := r.keys.load(ctx, name, func(ctx context.Context) ([]byte, error) {
		text, err := parameter(ctx, r.ssm, name)
		if err != nil {
			return nil, err
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != keySize {
			return nil, fault.New(fault.Permanent, "reading %s: it must be %d bytes in base64", name, keySize)
		}
		return key, nil
	})
	if errors.Is(err, errNone) {
		return nil, fault.New(fault.Permanent, "workspace %s has no identity key; apply its definition", id)
	}
	return key, err
}

// Authorise tells whose token this is. Tokens read <workspace>.<secret>; anything
// else, and every token of an unknown workspace, is workspace.ErrToken.
func (r *Reader) Authorise(ctx context.Context, token string) (string, error) {
	id, _, _ := strings.Cut(token, ".")
	if _, err := r.Load(ctx, id); err != nil {
		if errors.Is(err, workspace.ErrUnknown) {
			return "", workspace.ErrToken
		}
		return "", err
	}
	name := tokensName(r.prefix, id)
	hashes, err := r.tokens.load(ctx, name, func(ctx context.Context) ([][32]byte, error) {
		tokens, err := list[string](ctx, r.ssm, name)
		hashes := make([][32]byte, len(tokens))
		for i, t := range tokens {
			hashes[i] = sha256.Sum256([]byte(t))
		}
		return hashes, err
	})
	if err != nil && !errors.Is(err, errNone) {
		return "", err
	}
	given, match := sha256.Sum256([]byte(token)), 0
	for _, h := range hashes {
		match |= subtle.ConstantTimeCompare(given[:], h[:])
	}
	if match != 1 {
		return "", workspace.ErrToken
	}
	return id, nil
}

// stored is one version of a definition.
type stored struct {
	version   int
	text      string
	json      []byte
	workspace workspace.Workspace
}

func read(ctx context.Context, db *dynamodb.Client, table, id, sort string) (stored, error) {
	out, err := db.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &table, Key: key(id, sort), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return stored{}, err
	}
	if out.Item == nil {
		return stored{}, workspace.ErrUnknown
	}
	return decode(out.Item)
}

func decode(item map[string]types.AttributeValue) (stored, error) {
	var s stored
	format, _ := item[attrFormat].(*types.AttributeValueMemberN)
	version, _ := item[attrVersion].(*types.AttributeValueMemberN)
	text, _ := item[attrText].(*types.AttributeValueMemberS)
	body, _ := item[attrJSON].(*types.AttributeValueMemberS)
	if format == nil || version == nil || text == nil || body == nil {
		return s, fault.New(fault.Permanent, "the item lacks an attribute; apply the workspace file again")
	}
	if format.Value != formatNow {
		return s, fault.New(fault.Permanent, "its format %s is unknown to this version of Loophub", format.Value)
	}
	s.text, s.json = text.Value, []byte(body.Value)
	var err error
	if s.version, err = strconv.Atoi(version.Value); err != nil {
		return s, fault.As(fault.Permanent, fmt.Errorf("reading version: %w", err))
	}
	if err := json.Unmarshal(s.json, &s.workspace); err != nil {
		return s, fault.As(fault.Permanent, fmt.Errorf("decoding: %w", err))
	}
	s.workspace.Version = s.version
	return s, nil
}

// list reads a parameter that is a JSON array of texts. No error shows its value.
func list[T ~string](ctx context.Context, c *ssm.Client, name string) ([]T, error) {
	text, err := parameter(ctx, c, name)
	if err != nil {
		return nil, err
	}
	var l []T
	if json.Unmarshal([]byte(text), &l) != nil {
		return nil, fault.New(fault.Permanent, `reading %s: it must be a JSON array of texts, such as ["…"]`, name)
	}
	return l, nil
}

func parameter(ctx context.Context, c *ssm.Client, name string) (string, error) {
	out, err := c.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	var none *ssmtypes.ParameterNotFound
	if errors.As(err, &none) {
		return "", errNone
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return "", fault.New(fault.Permanent, "reading %s: it has no value", name)
	}
	return *out.Parameter.Value, nil
}
