// Package s3 is Amazon S3 with whole objects: put, get, head, delete, list, expiry.
package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
)

// Bucket describes a bucket.
type Bucket struct {
	Name   string
	Expire []Expiry
}

// Expiry is a lifecycle rule.
type Expiry struct {
	Prefix string
	Days   int
}

// Service holds buckets and objects.
type Service struct {
	// Journal, if not nil, gets what each call changes. Set it before the first.
	Journal journal.Journal

	clock clock.Clock
	// may asks whether a principal has a permission, for the one answer that depends on it.
	may func(principal string, n dispatch.Need) bool

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	Bucket
	objects map[string]object
}

type object struct {
	body   []byte
	etag   string
	at     time.Time
	header http.Header // what is given back: type, encoding, metadata, checksums
}

// New makes the buckets.
func New(c clock.Clock, may func(string, dispatch.Need) bool, buckets []Bucket) *Service {
	s := &Service{clock: c, may: may, buckets: map[string]*bucket{}}
	for _, b := range buckets {
		s.buckets[b.Name] = &bucket{b, map[string]object{}}
	}
	return s
}

var actions = map[string]string{
	"PutObject": "s3:PutObject", "GetObject": "s3:GetObject", "HeadObject": "s3:GetObject",
	"DeleteObject": "s3:DeleteObject", listObjects: "s3:ListBucket",
}

// Operations lists what is implemented.
func Operations() []string { return slices.Sorted(maps.Keys(actions)) }

// Needs implements dispatch.Service.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	action, ok := actions[c.Operation]
	name, key := address(c.Request)
	if !ok || (key == "") != (c.Operation == listObjects) {
		return nil, dispatch.Unimplemented(c)
	}
	if c.Operation == listObjects {
		return []dispatch.Need{{Action: action, Resource: "arn:aws:s3:::" + name}}, nil
	}
	return []dispatch.Need{{Action: action, Resource: "arn:aws:s3:::" + name + "/" + key}}, nil
}

// Serve implements dispatch.Service.
func (s *Service) Serve(_ context.Context, c dispatch.Call) (dispatch.Reply, error) {
	if err := known(c.Request.Header); err != nil {
		return dispatch.Reply{}, err
	}
	name, key := address(c.Request)
	mayList := s.may(c.Principal, dispatch.Need{Action: "s3:ListBucket", Resource: "arn:aws:s3:::" + name})
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		return dispatch.Reply{}, &dispatch.Error{Status: http.StatusNotFound, Code: "NoSuchBucket",
			Message: "The specified bucket does not exist"}
	}
	switch c.Operation {
	case "PutObject":
		return s.put(b, key, c)
	case "GetObject", "HeadObject":
		return s.get(b, key, c, mayList)
	case listObjects:
		return s.list(b, c)
	case "DeleteObject":
		if _, there := b.objects[key]; there {
			if err := s.change(b, effect{Key: []byte(key)}); err != nil {
				return dispatch.Reply{}, err
			}
		}
		return dispatch.Reply{Status: http.StatusNoContent}, nil
	}
	return dispatch.Reply{}, dispatch.Unimplemented(c)
}

// Put stores an object as another service does: Lambda's failure destination.
func (s *Service) Put(bucketName, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketName]
	if b == nil {
		return fmt.Errorf("putting object %s: there is no bucket %s", key, bucketName)
	}
	return s.change(b, effect{Key: []byte(key), Body: body, At: s.clock.Now(),
		Header: keptHeader(http.Header{"Content-Type": {"application/json"}})})
}

// Objects are the objects of a bucket by key. Their bytes are not to be changed.
func (s *Service) Objects(bucketName string) map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	if b := s.buckets[bucketName]; b != nil {
		for k := range b.objects {
			if o, ok := s.present(b, k); ok {
				out[k] = o.body
			}
		}
	}
	return out
}

func (s *Service) put(b *bucket, key string, c dispatch.Call) (dispatch.Reply, error) {
	h := c.Request.Header
	if _, exists := s.present(b, key); exists && h.Get("If-None-Match") == "*" {
		return dispatch.Reply{}, &dispatch.Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed",
			Message: "At least one of the pre-conditions you specified did not hold"}
	}
	if err := verify(h, c.Body); err != nil {
		return dispatch.Reply{}, err
	}
	kept := http.Header{}
	reply := http.Header{"Etag": {etag(c.Body)}}
	for name, values := range h {
		lower := strings.ToLower(name)
		switch {
		case lower == "content-encoding":
			if v := withoutFraming(values); v != "" {
				kept.Set(name, v)
			}
		case lower == "content-type", lower == "cache-control", lower == "content-disposition",
			lower == "content-language", lower == "expires", strings.HasPrefix(lower, "x-amz-meta-"):
			kept[name] = values
		case isChecksum(lower):
			kept[name] = values
			reply[name] = values
		}
	}
	if err := s.change(b, effect{Key: []byte(key), Body: c.Body, At: s.clock.Now(), Header: keptHeader(kept)}); err != nil {
		return dispatch.Reply{}, err
	}
	return dispatch.Reply{Status: http.StatusOK, Header: reply}, nil
}

func (s *Service) get(b *bucket, key string, c dispatch.Call, mayList bool) (dispatch.Reply, error) {
	o, ok := s.present(b, key)
	if !ok {
		// Who may not list the bucket may not learn that there is no such key.
		if !mayList {
			return dispatch.Reply{}, &dispatch.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: "Access Denied"}
		}
		return dispatch.Reply{}, &dispatch.Error{Status: http.StatusNotFound, Code: "NoSuchKey",
			Message: "The specified key does not exist.", Extra: map[string]any{"Key": key}}
	}
	h := o.header.Clone()
	if c.Request.Header.Get("X-Amz-Checksum-Mode") == "" {
		for name := range h {
			if isChecksum(strings.ToLower(name)) {
				h.Del(name)
			}
		}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "binary/octet-stream")
	}
	h.Set("Etag", o.etag)
	h.Set("Last-Modified", o.at.Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(o.body)))
	r := dispatch.Reply{Status: http.StatusOK, Header: h, Body: o.body}
	if c.Operation == "HeadObject" {
		r.Body = nil
	}
	return r, nil
}

// present finds an object that has not expired. S3 removes it some time after the midnight that follows its days; here
// it is gone at that moment.
func (s *Service) present(b *bucket, key string) (object, bool) {
	o, ok := b.objects[key]
	if !ok {
		return object{}, false
	}
	for _, e := range b.Expire {
		if !strings.HasPrefix(key, e.Prefix) {
			continue
		}
		due := o.at.AddDate(0, 0, e.Days)
		midnight := due.Truncate(24 * time.Hour)
		if midnight.Before(due) {
			midnight = midnight.Add(24 * time.Hour)
		}
		if !s.clock.Now().Before(midnight) {
			delete(b.objects, key)
			return object{}, false
		}
	}
	return o, true
}

// address reads bucket and key, from "bucket.s3.region.amazonaws.com/key", or from "/bucket/key" with any other host.
func address(r *http.Request) (bucketName, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	for _, mark := range []string{".s3.", ".localhost"} {
		if name, rest, ok := strings.Cut(host, mark); ok && (mark != ".s3." || strings.HasSuffix(rest, "amazonaws.com")) {
			return name, path
		}
	}
	bucketName, key, _ = strings.Cut(path, "/")
	return bucketName, key
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}
