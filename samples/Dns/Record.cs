namespace Dns;

/// <summary>A record of a name.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Data">Its data as it is sent (RDATA).</param>
internal sealed record Record(RecordType Type, byte[] Data);
