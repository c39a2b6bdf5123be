package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
)

// A file is a header and frames. The header is a line of text, so that `head -1` tells people what they have found:
//
//	loophub-data 1 <salt> <checksum>
//
// A frame is magic, length and checksum of four bytes each, little endian, and the record: the name of its part after a
// byte with that name's length, and the part's own bytes. Checksums are CRC-32C. That of a frame covers the file's salt
// and the frame's place too, so that nothing counts as a frame but in the file and at the place it was written for: not
// what an older file left on the disk, not a copy of this file that lies in a record as somebody's data.
const (
	format    = "loophub-data"
	version   = 1
	headLimit = 64
	frameHead = 12
	maxRecord = 1 << 30
)

var (
	magic = []byte{0xC5, 'L', 'H', '\n'}
	table = crc32.MakeTable(crc32.Castagnoli)
)

type salt [8]byte

func (s salt) header() []byte {
	text := fmt.Sprintf("%s %d %s", format, version, hex.EncodeToString(s[:]))
	return fmt.Appendf(nil, "%s %08x\n", text, crc32.Checksum([]byte(text), table))
}

// readHeader returns the salt and where the first frame begins.
func readHeader(f io.ReaderAt) (s salt, first int64, err error) {
	head := make([]byte, headLimit)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return s, 0, fmt.Errorf("reading its header: %w", err)
	}
	line, _, whole := bytes.Cut(head[:n], []byte("\n"))
	words := strings.Split(string(line), " ")
	if !whole || words[0] != format || len(words) < 2 {
		return s, 0, fmt.Errorf("it does not begin as a file of Loophub's data does")
	}
	if words[1] != strconv.Itoa(version) { // first of all: the rest of the line may have changed
		return s, 0, fmt.Errorf("it has format version %s, and this program knows version %d", words[1], version)
	}
	if len(words) == 4 && len(words[2]) == hex.EncodedLen(len(s)) {
		_, _ = hex.Decode(s[:], []byte(words[2])) // whatever is wrong shows in the comparison
	}
	if string(s.header()) != string(line)+"\n" {
		return s, 0, fmt.Errorf("its header is damaged: %q", line)
	}
	return s, int64(len(line) + 1), nil
}

func (s salt) checksum(at int64, record []byte) uint32 {
	var place [16]byte
	copy(place[:8], s[:])
	binary.LittleEndian.PutUint64(place[8:], uint64(at))
	return crc32.Update(crc32.Checksum(place[:], table), table, record)
}

// appendFrame adds the frame of a record that will stand at a place in the file.
func (s salt) appendFrame(dst []byte, at int64, part string, record []byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = append(dst, byte(len(part)))
	dst = append(dst, part...)
	dst = append(dst, record...)
	body := dst[start+frameHead:]
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+8:], s.checksum(at, body))
	return dst
}

// length reads the head of a frame; it is not ok where none can begin.
func length(head []byte) (n int, ok bool) {
	if len(head) < frameHead || !bytes.Equal(head[:4], magic) {
		return 0, false
	}
	size := binary.LittleEndian.Uint32(head[4:])
	return int(size), size > 0 && size <= maxRecord
}

// intact says whether head and body are the frame of that place.
func (s salt) intact(at int64, head, body []byte) bool {
	return binary.LittleEndian.Uint32(head[8:]) == s.checksum(at, body) && int(body[0]) < len(body)
}

// scan reads frames from a place on to the end of the file, and returns where the last whole one ends. What follows it
// is a torn write, and nothing follows that; a damaged frame with a whole one after it is an error.
func (s salt) scan(f *os.File, at, size int64, take func(at int64, part string, record []byte) error) (int64, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(f, at, size-at), 1<<20)
	head := make([]byte, frameHead)
	for at < size {
		body, err := s.frame(in, head, at, size)
		if err != nil {
			return at, err
		}
		if body == nil {
			return at, s.damaged(f, at, size)
		}
		n := int(body[0])
		if err := take(at, string(body[1:1+n]), body[1+n:]); err != nil {
			return at, fmt.Errorf("the record at offset %d: %w", at, err)
		}
		at += int64(frameHead + len(body))
	}
	return at, nil
}

// frame reads one frame; nil where there is none.
func (s salt) frame(in io.Reader, head []byte, at, size int64) ([]byte, error) {
	if size-at < frameHead {
		return nil, nil
	}
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, fmt.Errorf("reading at offset %d: %w", at, err)
	}
	n, ok := length(head)
	if !ok || int64(n) > size-at-frameHead {
		return nil, nil
	}
	body := make([]byte, n) // of its own: parts hold on to it
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, fmt.Errorf("reading at offset %d: %w", at, err)
	}
	if !s.intact(at, head, body) {
		return nil, nil
	}
	return body, nil
}

// damaged looks for a whole frame behind a place where none stands.
func (s salt) damaged(f *os.File, at, size int64) error {
	rest := make([]byte, size-at)
	if _, err := f.ReadAt(rest, at); err != nil {
		return fmt.Errorf("reading at offset %d: %w", at, err)
	}
	for i := 1; ; i++ {
		next := bytes.Index(rest[i:], magic)
		if next < 0 {
			return nil
		}
		i += next
		n, ok := length(rest[i:])
		if ok && n <= len(rest)-i-frameHead && s.intact(at+int64(i), rest[i:], rest[i+frameHead:i+frameHead+n]) {
			return fmt.Errorf("it is damaged at offset %d, and there are whole records from offset %d on: nothing is read "+
				"that may lack what came before. Restore the file; or, to give up all that came later, truncate -s %d", at, at+int64(i), at)
		}
	}
}
