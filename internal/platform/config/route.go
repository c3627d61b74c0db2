package config

// Route takes messages from sources to partners.
type Route struct {
	Name        string      `yaml:"name" rule:"required,name" ex:"riverside-results" doc:"How history, proofs and alarms call it."`
	From        []string    `yaml:"from" rule:"required,ref=source,one" ex:"lis" doc:"Names of the sources; one or a list."`
	When        string      `yaml:"when" ex:"msh.type == \"ORU\"" doc:"Condition over the message; every message of the source when absent."`
	To          []string    `yaml:"to" rule:"required,ref=partner,one" ex:"riverside" doc:"Names of the partners; one or a list."`
	Stage       string      `yaml:"stage" default:"shadow" rule:"oneof=shadow|parallel|carry" doc:"shadow compares and sends nothing; parallel sends beside the old path; carry is the path. Each step up is the laboratory director's decision."`
	OldPath     string      `yaml:"old_path" rule:"ref=source" doc:"The source that gets a copy of what the old path (the engine or interface in use until now) sends to this partner. Every message is then compared with what this route would deliver or delivers; carry needs that, or the director's statement that there is no old path."`
	Check       string      `yaml:"check" default:"ordering_provider" rule:"oneof=ordering_provider|account|none" doc:"What must belong to the partner before anything is sent; a mismatch holds."`
	CheckReason string      `yaml:"check_reason" doc:"Needed with check: none. Why nothing has to be checked."`
	Transform   []Transform `yaml:"transform" sample:"off" each:"yes" doc:"Changes to the message, in order. Without it the bytes go out as they came."`
}

// Transform is one change. Exactly one of its fields is set.
type Transform struct {
	Set      *SetStep  `yaml:"set" doc:"Writes a value."`
	Copy     *CopyStep `yaml:"copy" doc:"Copies one place to another."`
	Remove   string    `yaml:"remove" rule:"hl7" ex:"PID-19" doc:"Empties a place, or removes a segment."`
	Map      *MapStep  `yaml:"map" doc:"Replaces a value by a table."`
	Starlark *Script   `yaml:"starlark" doc:"Runs a program: no input or output, a limit of steps, the same result every time."`
}

// SetStep writes a value.
type SetStep struct {
	Path  string `yaml:"path" rule:"required,hl7" ex:"MSH-5" doc:"Where, for example MSH-5 or OBX(2)-5.1."`
	Value string `yaml:"value" ex:"RIVERSIDE" doc:"What; empty empties it."`
}

// CopyStep copies a value.
type CopyStep struct {
	From string `yaml:"from" rule:"required,hl7" ex:"OBR-3.1" doc:"Where from."`
	To   string `yaml:"to" rule:"required,hl7" ex:"OBR-20" doc:"Where to."`
}

// MapStep replaces a value by a table.
type MapStep struct {
	Path      string `yaml:"path" rule:"required,hl7" ex:"OBX-6.1" doc:"Where."`
	Table     string `yaml:"table" rule:"required,ref=table" ex:"units" doc:"A name under tables."`
	Otherwise string `yaml:"otherwise" default:"hold" rule:"oneof=keep|hold" doc:"For a value that is not in the table: keep it, or hold the message for a person."`
}

// Script is a Starlark program. Exactly one of its fields is set; when Options
// can read files, Parse replaces File by Source, so that the program is part of
// the revision.
type Script struct {
	File   Path   `yaml:"file" rule:"file" ex:"./rules/riverside.star" doc:"A file. Its text becomes part of the applied revision."`
	Source string `yaml:"source" doc:"The program itself."`
}
