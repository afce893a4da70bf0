// Checks proofs of the archive with packages that Parlance's authors did not write: golang.org/x/mod/sumdb/note and tlog, which
// guard Go's own checksum database. Reads one JSON object from its standard input; says what is wrong and ends with 1.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	Key    string
	Record *struct {
		Seq        int64
		Leaf       string
		Path       []string
		Checkpoint string
	}
	Growth *struct {
		Path             []string
		FirstCheckpoint  string
		SecondCheckpoint string
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tree(key, text string) (int64, tlog.Hash) {
	verifier, err := note.NewVerifier(key)
	fail(err)
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	fail(err)
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		fail(fmt.Errorf("not a checkpoint of %s", verifier.Name()))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	fail(err)
	root, err := tlog.ParseHash(lines[2])
	fail(err)
	return size, root
}

func hashes(path []string) []tlog.Hash {
	var all []tlog.Hash
	for _, text := range path {
		bytes, err := base64.StdEncoding.DecodeString(text)
		fail(err)
		var hash tlog.Hash
		if copy(hash[:], bytes) != tlog.HashSize || len(bytes) != tlog.HashSize {
			fail(fmt.Errorf("not a hash"))
		}
		all = append(all, hash)
	}
	return all
}

func main() {
	var in input
	fail(json.NewDecoder(os.Stdin).Decode(&in))
	if in.Record == nil && in.Growth == nil {
		fail(fmt.Errorf("nothing to check"))
	}
	if in.Record != nil {
		size, root := tree(in.Key, in.Record.Checkpoint)
		leaf := tlog.RecordHash([]byte(in.Record.Leaf))
		fail(tlog.CheckRecord(tlog.RecordProof(hashes(in.Record.Path)), size, root, in.Record.Seq, leaf))
	}
	if in.Growth != nil {
		first, firstRoot := tree(in.Key, in.Growth.FirstCheckpoint)
		second, secondRoot := tree(in.Key, in.Growth.SecondCheckpoint)
		fail(tlog.CheckTree(tlog.TreeProof(hashes(in.Growth.Path)), second, secondRoot, first, firstRoot))
	}
	fmt.Println("accepted")
}
