namespace Dns;

/// <summary>Types of records (RFC 1035, section 3.2.2; RFC 3596; RFC 6891).</summary>
internal enum RecordType : ushort
{
    A = 1,
    NS = 2,
    SOA = 6,
    TXT = 16,
    AAAA = 28,
    OPT = 41,
}
