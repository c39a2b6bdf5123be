// Package store keeps the state of the local cloud in one append-only file: a record per call, written before the call
// is answered. A process that is killed loses nothing that it acknowledged: what write(2) took, the operating system
// has. What a power cut may take is the last second, see syncAfter.
package store

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"loophub/infra/local/journal"
)

const (
	logName  = "loophub.log"
	newName  = "loophub.log.new"
	lockName = "lock"
)

// syncAfter is how long what was appended may stay with the operating system alone. A call waits for write(2), 5 µs, and
// not for fdatasync(2), 470 µs on a server's disk and more on a laptop's: that would be the better part of any call, and
// to share it among callers, services would have to show changes before they are safe. So it follows at most once in this
// time, outside of all calls.
const syncAfter = time.Second

// ErrClosed is what Append returns after Close.
var ErrClosed = errors.New("the store is closed")

// file is what the log is appended to.
type file interface {
	io.Writer
	Sync() error
	Close() error
}

// Store is a folder with the state of its parts. Parts are attached, then it is started, then they append. Of a nil Store
// one can ask what there is, which is nothing, and what went wrong.
type Store struct {
	dir    string
	lock   *os.File
	fresh  bool
	say    func(line string)
	parts  map[string]journal.Part
	order  []string            // of parts, as they were attached
	orphan map[string][][]byte // records of parts that nobody attached: they stay as they are
	exiled []string

	mu     sync.Mutex
	out    file // nil before Start
	salt   salt
	size   int64
	buf    []byte
	err    error // why nothing can be appended any more
	closed bool
	failed chan struct{}
	sync   *time.Timer // nil while everything is on the disk
}

// Open takes a folder, which it makes if need be, for this process alone. Say is told in a line what had to be cut off.
func Open(dir string, say func(line string)) (*Store, error) {
	s := &Store{dir: dir, say: say, parts: map[string]journal.Part{}, orphan: map[string][][]byte{}, failed: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data's folder: %w", err)
	}
	var err error
	if s.lock, err = lock(s.path(lockName)); err != nil {
		return nil, fmt.Errorf("opening the data in %s: %w", dir, err)
	}
	_, err = os.Stat(s.path(logName))
	if s.fresh = errors.Is(err, os.ErrNotExist); err != nil && !s.fresh {
		s.lock.Close()
		return nil, fmt.Errorf("opening the data in %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// Fresh says whether there was nothing in the folder.
func (s *Store) Fresh() bool { return s == nil || s.fresh }

// Attach names a part and returns its journal, which takes records from Start on. A part has the same name for ever.
func (s *Store) Attach(name string, p journal.Part) journal.Journal {
	if s.parts[name] != nil || name == "" || len(name) > 255 {
		panic("store: no name for another part: " + name)
	}
	s.parts[name] = p
	s.order = append(s.order, name)
	return partJournal{s, name}
}

type partJournal struct {
	store *Store
	name  string
}

// Append implements journal.Journal.
func (j partJournal) Append(record []byte) error { return j.store.append(j.name, record) }

// Start gives every part what was kept of it, and writes all of it anew into a file that then takes the old one's place.
func (s *Store) Start() error {
	if err := s.load(); err != nil {
		return fmt.Errorf("reading %s: %w", s.path(logName), err)
	}
	if err := s.compact(); err != nil {
		return fmt.Errorf("writing %s: %w", s.path(newName), err)
	}
	return nil
}

func (s *Store) load() error {
	if s.fresh {
		return nil
	}
	f, err := os.Open(s.path(logName))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	salt, at, err := readHeader(f)
	if err != nil {
		return err
	}
	end, err := salt.scan(f, at, info.Size(), s.give)
	if err != nil {
		return err
	}
	if cut := info.Size() - end; cut > 0 {
		s.say(fmt.Sprintf("%s ended in the middle of a record: its last %d bytes are cut off, from offset %d on",
			s.path(logName), cut, end))
	}
	return nil
}

// give hands a record to its part. Without one it is carried along, for a run that has the part again.
func (s *Store) give(_ int64, name string, record []byte) error {
	p := s.parts[name]
	if p == nil {
		if s.orphan[name] == nil {
			s.exiled = append(s.exiled, name)
		}
		s.orphan[name] = append(s.orphan[name], record)
		return nil
	}
	if err := p.Load(record); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// compact writes the file anew. Until the rename the old one counts, and from then on the new one, which is on the disk.
func (s *Store) compact() error {
	if _, err := rand.Read(s.salt[:]); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path(newName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := s.dump(f); err != nil {
		f.Close()
		return err
	}
	if err := os.Rename(s.path(newName), s.path(logName)); err != nil {
		f.Close()
		return err
	}
	if err := syncFolder(s.dir); err != nil {
		f.Close()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out, s.orphan = f, nil
	return nil
}

func (s *Store) dump(f *os.File) error {
	w := bufio.NewWriterSize(f, 1<<20)
	head := s.salt.header()
	s.size = int64(len(head))
	if _, err := w.Write(head); err != nil {
		return err
	}
	put := func(name string) func([]byte) error {
		return func(record []byte) error {
			s.buf = s.salt.appendFrame(s.buf[:0], s.size, name, record)
			s.size += int64(len(s.buf))
			_, err := w.Write(s.buf)
			return err
		}
	}
	for _, name := range s.order {
		if err := s.parts[name].Dump(put(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range s.exiled {
		for _, record := range s.orphan[name] {
			if err := put(name)(record); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// maxBuffer is the largest buffer that is kept for the next record.
const maxBuffer = 1 << 20

// append writes one record by one write. After an error the end of the file is unknown, so nothing is written behind it
// any more: the next start cuts off the torn record, which nobody was promised.
func (s *Store) append(name string, record []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case s.out == nil:
		return errors.New("the store has not been started")
	case len(record)+1+len(name) > maxRecord:
		return fmt.Errorf("keeping a record of %s: %d bytes are too many", name, len(record))
	}
	s.buf = s.salt.appendFrame(s.buf[:0], s.size, name, record)
	if _, err := s.out.Write(s.buf); err != nil {
		return s.fail(fmt.Errorf("keeping what changed: writing %s: %w", s.path(logName), err))
	}
	s.size += int64(len(s.buf))
	if cap(s.buf) > maxBuffer {
		s.buf = nil
	}
	if s.sync == nil {
		s.sync = time.AfterFunc(syncAfter, s.flush)
	}
	return nil
}

// fail ends all appending. The caller holds the lock.
func (s *Store) fail(err error) error {
	s.err = err
	close(s.failed)
	return err
}

// flush brings to the disk what the operating system has.
func (s *Store) flush() {
	s.mu.Lock()
	s.sync = nil
	out := s.out
	s.mu.Unlock()
	if out == nil {
		return
	}
	err := out.Sync() // without the lock: it takes its time
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.err == nil { // after a failed sync nobody knows what the disk has
		_ = s.fail(fmt.Errorf("keeping what changed: syncing %s: %w", s.path(logName), err))
	}
}

// Failed is closed when the store can't keep anything any more; Err then says why.
func (s *Store) Failed() <-chan struct{} {
	if s == nil {
		return nil
	}
	return s.failed
}

// Err is why nothing can be appended any more, nil while it can: ErrClosed, unless something went wrong before.
func (s *Store) Err() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close ends appending and lets go of the folder.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.sync != nil {
		s.sync.Stop()
	}
	if s.out != nil {
		if s.err == nil {
			err = s.out.Sync()
		}
		err = errors.Join(err, s.out.Close())
		s.out = nil
	}
	if s.err == nil {
		s.err = ErrClosed
	}
	return errors.Join(err, s.lock.Close())
}
