package s3

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is an object as a call leaves it; without a time it is gone. Keys and headers are bytes: neither need be text.
type effect struct {
	Bucket string
	Key    []byte
	At     time.Time           `json:",omitzero"`
	Body   []byte              `json:",omitempty"`
	Header map[string][][]byte `json:",omitempty"`
}

func keptHeader(h http.Header) map[string][][]byte {
	out := make(map[string][][]byte, len(h))
	for name, values := range h {
		for _, v := range values {
			out[name] = append(out[name], []byte(v))
		}
	}
	return out
}

// change keeps an effect and makes it. The caller holds the lock.
func (s *Service) change(b *bucket, e effect) error {
	e.Bucket = b.Name
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	b.make(e)
	return nil
}

func (b *bucket) make(e effect) {
	if e.At.IsZero() {
		delete(b.objects, string(e.Key))
		return
	}
	o := object{body: e.Body, etag: etag(e.Body), at: e.At, header: http.Header{}}
	for name, values := range e.Header {
		for _, v := range values {
			o.header[name] = append(o.header[name], string(v))
		}
	}
	b.objects[string(e.Key)] = o
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		b := s.buckets[name]
		for _, key := range slices.Sorted(maps.Keys(b.objects)) {
			o, there := s.present(b, key)
			if !there {
				continue
			}
			if err := journal.Write(write, effect{name, []byte(key), o.at, o.body, keptHeader(o.header)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load implements journal.Part.
func (s *Service) Load(record []byte) error {
	var e effect
	if err := journal.Read(record, &e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[e.Bucket]
	if b == nil {
		return fmt.Errorf("the template has no bucket %s, in which there are objects: start with another folder", e.Bucket)
	}
	b.make(e)
	return nil
}
