// Package sts is the AWS Security Token Service as far as a command line needs it: who am I, and let me be that role.
package sts

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
)

// Role is a role that can be assumed.
type Role struct {
	Session string        // the name of its session when the platform itself wears it: the function's
	Longest time.Duration // of a session; 0: an hour
}

// Config is what the service is made of.
type Config struct {
	Account string
	Clock   clock.Clock
	Roles   map[string]Role // by ARN
	// Assume tells whether a principal may become a role.
	Assume func(principal, role string) error
	// Admit makes an access key known to the doors, for as long as it has not expired.
	Admit func(key, principal string, expired func() bool)
}

// Service answers.
type Service struct {
	// Journal, if not nil, gets each session. Set it before the first call.
	Journal journal.Journal

	cfg Config

	mu       sync.Mutex
	serial   uint64
	sessions map[string]session // by access key
}

// session is a role that somebody wears for a time.
type session struct {
	Serial     uint64
	Key        string
	Role, Name string
	Until      time.Time
}

// New makes the service.
func New(cfg Config) *Service { return &Service{cfg: cfg, sessions: map[string]session{}} }

var operations = map[string]func(*Service, dispatch.Call, url.Values) (any, error){
	"AssumeRole": (*Service).assumeRole, "GetCallerIdentity": (*Service).getCallerIdentity,
}

// Operations lists what is implemented.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Needs implements dispatch.Service. Everybody may ask who they are, and a role's trust policy decides who becomes it.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	if operations[c.Operation] == nil {
		return nil, dispatch.Unimplemented(c)
	}
	return nil, nil
}

// Serve implements dispatch.Service.
func (s *Service) Serve(_ context.Context, c dispatch.Call) (dispatch.Reply, error) {
	serve := operations[c.Operation]
	if serve == nil {
		return dispatch.Reply{}, dispatch.Unimplemented(c)
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return dispatch.Reply{}, invalid("the request is no form: %v", err)
	}
	out, err := serve(s, c, form)
	if err != nil {
		return dispatch.Reply{}, err
	}
	body, err := xml.Marshal(out)
	if err != nil {
		return dispatch.Reply{}, fmt.Errorf("encoding reply: %w", err)
	}
	return dispatch.Reply{Status: http.StatusOK, Header: http.Header{}, Body: body}, nil
}

// known refuses parameters that would change what a call does: session policies, tags, external ids.
func known(form url.Values, names ...string) error {
	for name := range form {
		if name != "Action" && name != "Version" && !slices.Contains(names, name) {
			return invalid("the local cloud does not implement the parameter %s", name)
		}
	}
	return nil
}

const space = "https://sts.amazonaws.com/doc/2011-06-15/"

type identity struct {
	XMLName xml.Name `xml:"GetCallerIdentityResponse"`
	Space   string   `xml:"xmlns,attr"`
	Arn     string   `xml:"GetCallerIdentityResult>Arn"`
	UserID  string   `xml:"GetCallerIdentityResult>UserId"`
	Account string   `xml:"GetCallerIdentityResult>Account"`
}

func (s *Service) getCallerIdentity(c dispatch.Call, form url.Values) (any, error) {
	if err := known(form); err != nil {
		return nil, err
	}
	out := identity{Space: space, Account: s.cfg.Account, UserID: s.cfg.Account, Arn: "arn:aws:iam::" + s.cfg.Account + ":root"}
	if c.Principal != "" {
		s.mu.Lock()
		worn, ok := s.sessions[dispatch.AccessKey(c.Request)]
		s.mu.Unlock()
		if !ok {
			worn.Name = s.cfg.Roles[c.Principal].Session
		}
		out.UserID, out.Arn = s.worn(c.Principal, worn.Name)
	}
	return out, nil
}

// worn is a role in a session: its id and ARN.
func (s *Service) worn(role, session string) (id, arn string) {
	name := role[strings.LastIndexByte(role, '/')+1:]
	return "AROA" + digest(16, role) + ":" + session, fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", s.cfg.Account, name, session)
}

type assumed struct {
	XMLName    xml.Name `xml:"AssumeRoleResponse"`
	Space      string   `xml:"xmlns,attr"`
	Key        string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret     string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token      string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	ID         string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	Arn        string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func (s *Service) assumeRole(c dispatch.Call, form url.Values) (any, error) {
	if err := known(form, "RoleArn", "RoleSessionName", "DurationSeconds"); err != nil {
		return nil, err
	}
	role, name := form.Get("RoleArn"), form.Get("RoleSessionName")
	if !sessionName.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member "+
			"must satisfy regular expression pattern: [\\w+=,.@-]*, and be 2 to 64 letters long", name)
	}
	if err := s.cfg.Assume(c.Principal, role); err != nil {
		return nil, err
	}
	lasts, err := s.duration(form.Get("DurationSeconds"), role)
	if err != nil {
		return nil, err
	}
	until := s.cfg.Clock.Now().Add(lasts)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.serial + 1
	key := "ASIA" + digest(16, role, name, strconv.FormatUint(n, 10))
	made := session{n, key, role, name, until}
	if err := journal.Keep(s.Journal, made); err != nil {
		return nil, err
	}
	s.admit(made)
	out := assumed{Space: space, Key: key, Secret: "local", Token: "local", Expiration: until.UTC().Format(time.RFC3339)}
	out.ID, out.Arn = s.worn(role, name)
	return out, nil
}

// duration reads how long a session lasts: an hour, unless the caller says otherwise and the role allows it.
func (s *Service) duration(seconds, role string) (time.Duration, error) {
	longest := s.cfg.Roles[role].Longest
	if longest == 0 {
		longest = time.Hour
	}
	if seconds == "" {
		return time.Hour, nil
	}
	n, err := strconv.Atoi(seconds)
	d := time.Duration(n) * time.Second
	switch {
	case err != nil || d < 15*time.Minute || d > 12*time.Hour:
		return 0, invalid("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must be "+
			"from 900 to 43200", seconds)
	case d > longest:
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}

// digest is n letters that depend on the parts alone.
func digest(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}

func invalid(format string, args ...any) error {
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}
