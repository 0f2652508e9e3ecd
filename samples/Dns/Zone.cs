using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Dns;

/// <summary>The names that the server knows, with their records. It does not change.</summary>
internal sealed class Zone
{
    public const int TimeToLive = 300;

    private readonly Dictionary<string, Record[]> _names = [];

    /// <param name="origin">The name of the zone, in lower case.</param>
    private Zone(string origin) => (Origin, Owner) = (origin, Name(origin));

    public string Origin { get; }

    /// <summary>The same as it is sent.</summary>
    public byte[] Owner { get; }

    /// <summary>What answers without records carry, so that the asker may remember them (RFC 2308).</summary>
    public Record Authority => Array.Find(_names[Origin], static record => record.Type == RecordType.SOA)!;

    public static Zone CreateExample()
    {
        var zone = new Zone("example.test");
        zone.Add(
            "example.test",
            new Record(RecordType.SOA, StartOfAuthority("ns1.example.test", "hostmaster.example.test")),
            new Record(RecordType.NS, Name("ns1.example.test")),
            Address("127.0.0.1"));
        zone.Add("ns1.example.test", Address("127.0.0.1"), Address("::1"));
        zone.Add("www.example.test", Address("192.0.2.10"), Address("192.0.2.11"), Address("2001:db8::10"));
        zone.Add("text.example.test", Text("an answer"));
        zone.Add(
            "long.example.test",
            [.. Enumerable.Range(0, 10).Select(static i => Text(new string((char)('a' + i), 200)))]);
        return zone;
    }

    /// <summary>The records of a name in lower case; null if there is no such name.</summary>
    public Record[]? Find(ReadOnlySpan<char> name)
        => _names.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out var records) ? records : null;

    public bool Contains(ReadOnlySpan<char> name)
        => name.EndsWith(Origin) && (name.Length == Origin.Length || name[^(Origin.Length + 1)] == '.');

    private static Record Address(string address)
    {
        var bytes = IPAddress.Parse(address).GetAddressBytes();
        return new(bytes.Length == 4 ? RecordType.A : RecordType.AAAA, bytes);
    }

    private static Record Text(string text) => new(RecordType.TXT, Label(text));

    private static byte[] StartOfAuthority(string server, string mailbox)
    {
        // Serial, refresh, retry, expire, minimum.
        int[] numbers = [1, 3600, 600, 86_400, TimeToLive];
        var bytes = new byte[numbers.Length * 4];
        for (var i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(i * 4), numbers[i]);
        }

        return [.. Name(server), .. Name(mailbox), .. bytes];
    }

    private static byte[] Name(string name)
        => [.. name.Split('.').SelectMany(Label), 0];

    private static byte[] Label(string text) => [(byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    private void Add(string name, params Record[] records) => _names.Add(name, records);
}
