// Package accountsui is what people see of packages accounts and record: other
// systems' accounts and what is wrong with them, the register of vendors, the
// access review, the record of acts and views and one's own trail; as pages and
// as operations of the JSON API beside them.
//
// Guarantees: every page and operation asks for a permission. A patient's
// identifier comes by POST only and stands in no address, title or notice. What
// is shown of the record was recorded as a look first. Files are bounded before
// they are read.
//
// It decides nothing: the rules are those of packages accounts and record.
package accountsui
