// Package token writes and reads what stands in the links of our messages: which
// message a click is of, and of whom the unsubscribing is. A token is signed, so
// that nobody can make one up, and holds no personal data: whoever sees the URL
// learns nothing, and the ids in it say nothing outside.
//
// A token is base64 for URLs, without padding, of
//
//	1 byte  version
//	1 byte  kind
//	1 byte  length of the workspace's id, and the id
//	16      fragment: class, and 15 bytes of its hash
//	21      message: 6 bytes of Unix ms, and 15 bytes of its hash
//	2       number of the link
//	4       when it was issued, Unix seconds
//	16      HMAC-SHA256 of all that, cut to 128 bits
//
// Links lie in mailboxes for years: a version is read for as long as MaxAge.
package token

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind says what a link does.
type Kind byte

// The kinds.
const (
	Click       Kind = 1 // goes on to the message's link of that number
	Unsubscribe Kind = 2
	Preferences Kind = 3
	Confirm     Kind = 4 // gives the consent that the message asked for
)

// MaxAge is how long a link works, as long as what we know of its message is kept.
const MaxAge = 400 * 24 * time.Hour

// MaxLink is the greatest number of a link.
const MaxLink = 1<<16 - 1

// maxSize bounds what is read at all.
const maxSize = 256

// Errors of Read. Both get the same plain page.
var (
	ErrInvalid = errors.New("the link is not one of ours")
	ErrExpired = errors.New("the link is too old")
)

// Token is what a link says.
type Token struct {
	Kind      Kind
	Workspace string // lower-case letters, digits and dashes, at most 40
	Fragment  string // whom the message was sent to
	Message   string
	Link      int       // of a click, from 1; 0 for all else
	Issued    time.Time // to the second
}

// Key signs the links of one workspace.
type Key []byte

// NewKey derives the key from the workspace's identity key.
func NewKey(identity []byte) (Key, error) {
	k, err := hkdf.Key(sha256.New, identity, nil, "links v1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of links: %w", err)
	}
	return k, nil
}

const (
	version = 1
	hashed  = 15
	macSize = 16
	fixed   = 3 + 1 + hashed + 6 + hashed + 2 + 4 + macSize // beside the workspace's id
)

var (
	base = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	text = base64.RawURLEncoding.Strict() // one spelling for each token
)

// Sign writes a token.
func Sign(k Key, t Token) (string, error) {
	if len(k) == 0 {
		return "", errors.New("signing a link: there is no key")
	}
	b, err := t.encode()
	if err != nil {
		return "", fmt.Errorf("signing a link: %w", err)
	}
	return text.EncodeToString(k.seal(b)), nil
}

// Read reads a token that was signed within MaxAge before now. key gives the key
// of a workspace, or nil where there is none of that name; its error is passed on.
// What the token says is believed only once the signature holds.
func Read(s string, now time.Time, key func(workspace string) (Key, error)) (Token, error) {
	if len(s) > maxSize {
		return Token{}, ErrInvalid
	}
	b, err := text.DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return Token{}, ErrInvalid
	}
	t, ok := decode(b)
	if !ok {
		return Token{}, ErrInvalid
	}
	k, err := key(t.Workspace)
	if err != nil {
		return Token{}, fmt.Errorf("reading the key of links: %w", err)
	}
	body := b[:len(b)-macSize]
	if len(k) == 0 || !hmac.Equal(k.seal(body), b) {
		return Token{}, ErrInvalid
	}
	if now.Sub(t.Issued) > MaxAge {
		return Token{}, ErrExpired
	}
	return t, nil
}

// seal appends the signature.
func (k Key) seal(body []byte) []byte {
	m := hmac.New(sha256.New, k)
	m.Write(body)
	return append(append([]byte{}, body...), m.Sum(nil)[:macSize]...)
}

func (t Token) encode() ([]byte, error) {
	if !workspaceID(t.Workspace) {
		return nil, errors.New("its workspace has no valid id")
	}
	if t.Kind < Click || t.Kind > Confirm || (t.Kind == Click) != (t.Link > 0) || t.Link < 0 || t.Link > MaxLink {
		return nil, fmt.Errorf("kind %d with link %d", t.Kind, t.Link)
	}
	if issued := t.Issued.Unix(); issued < 0 || issued > 1<<32-1 {
		return nil, errors.New("its time is out of range")
	}
	fragment, ok := encodeFragment(t.Fragment)
	if !ok {
		return nil, errors.New("its fragment has no valid id")
	}
	message, ok := encodeMessage(t.Message)
	if !ok {
		return nil, errors.New("its message has no valid id")
	}
	b := append([]byte{version, byte(t.Kind), byte(len(t.Workspace))}, t.Workspace...)
	b = append(append(b, fragment...), message...)
	b = binary.BigEndian.AppendUint16(b, uint16(t.Link))
	return binary.BigEndian.AppendUint32(b, uint32(t.Issued.Unix())), nil
}

// decode reads what encode wrote; whether we wrote it, the signature alone says.
func decode(b []byte) (t Token, ok bool) {
	if len(b) < fixed || b[0] != version || len(b) != fixed+int(b[2]) {
		return Token{}, false
	}
	t.Kind = Kind(b[1])
	t.Workspace = string(b[3 : 3+b[2]])
	b = b[3+b[2]:]
	t.Fragment = string(b[:1]) + base.EncodeToString(b[1:1+hashed])
	b = b[1+hashed:]
	ms := binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...))
	t.Message = fmt.Sprintf("%011x-%s", ms, base.EncodeToString(b[6:6+hashed]))
	b = b[6+hashed:]
	t.Link = int(binary.BigEndian.Uint16(b))
	t.Issued = time.Unix(int64(binary.BigEndian.Uint32(b[2:])), 0).UTC()
	_, err := t.encode()
	return t, err == nil
}

func workspaceID(s string) bool {
	return s != "" && len(s) <= 40 && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func encodeFragment(s string) ([]byte, bool) {
	if s == "" || !strings.ContainsRune("cgn", rune(s[0])) {
		return nil, false
	}
	hash, ok := unhash(s[1:])
	return append([]byte{s[0]}, hash...), ok
}

func encodeMessage(s string) ([]byte, bool) {
	moment, hash, found := strings.Cut(s, "-")
	ms, err := strconv.ParseUint(moment, 16, 44)
	if !found || err != nil || len(moment) != 11 || strings.ToLower(moment) != moment {
		return nil, false
	}
	h, ok := unhash(hash)
	return append(binary.BigEndian.AppendUint64(nil, ms)[2:], h...), ok
}

// unhash reads 15 bytes as our ids spell them.
func unhash(s string) ([]byte, bool) {
	b, err := base.DecodeString(s)
	return b, err == nil && len(b) == hashed && base.EncodeToString(b) == s
}

// letters stand in a URL for what a link does.
var letters = map[Kind]string{Click: "l", Unsubscribe: "u", Preferences: "p", Confirm: "c"}

// Letter is the first part of the path of such links.
func (k Kind) Letter() string { return letters[k] }

// URL is where a signed token is to be followed, below the address of the links stage.
func URL(address string, k Kind, signed string) string {
	return strings.TrimRight(address, "/") + "/" + k.Letter() + "/" + signed
}
