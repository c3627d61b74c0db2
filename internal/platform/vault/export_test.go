package vault

// CheapPassphrase is Passphrase with a cost that tests can pay often.
func CheapPassphrase(pass string, fips bool) Seal {
	s := newPassphrase(pass, fips)
	if fips {
		s.cost.Iterations = 1000
	} else {
		s.cost.Time, s.cost.MemoryKiB, s.cost.Threads = 1, 8, 1
	}
	return s
}

// UseUpSession leaves the sealing session of a purpose room for n records.
func (v *Vault) UseUpSession(p Purpose, n uint32) {
	v.ring.Load().current[p].toSeal().used.Store(sessionLimit - n)
}

// ForgeShare changes the data of a share and gives it a right check again, as a
// forger would.
func ForgeShare(s Share, flip int) Share {
	s.data[flip%keySize] ^= 1
	return s
}

var GFMul, GFInv = gfMul, gfInv
