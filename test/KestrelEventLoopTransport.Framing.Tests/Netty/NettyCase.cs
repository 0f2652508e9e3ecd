using System.Text.Json;
using System.Text.Json.Serialization;

namespace KestrelEventLoopTransport.Framing.Tests.Netty;

/// <summary>A unit test of netty's frame codecs, as data: what it feeds, and what comes out.</summary>
internal sealed class NettyCase
{
    private static readonly JsonSerializerOptions _json = new() { PropertyNameCaseInsensitive = true };
    private static readonly Dictionary<string, NettyCase> _all = Load();

    public required string Name { get; init; }

    public required string Codec { get; init; }

    public required NettyParameters Params { get; init; }

    public required byte[][] Chunks { get; init; }

    public required NettyResult[] Expect { get; init; }

    public static IEnumerable<string> Names(bool encoders)
        => _all.Values.Where(c => c.IsEncoder == encoders).Select(static c => c.Name);

    public static NettyCase Get(string name) => _all[name];

    [JsonIgnore]
    public bool IsEncoder => Codec is "prepender" or "varintPrepender" or "lineEncoder";

    public FrameCodec CreateCodec() => Codec switch
    {
        "line" => FrameCodec.Line(Params.MaxLength, keepDelimiter: !Params.StripDelimiter),
        "delimiter" => FrameCodec.Delimited(
            Params.MaxFrameLength, Params.Delimiters!, keepDelimiter: !Params.StripDelimiter),
        "fixed" => FrameCodec.FixedLength(Params.FrameLength),
        "lengthField" => FrameCodec.LengthField(
            Params.MaxFrameLength,
            Params.LengthFieldOffset,
            Params.LengthFieldLength,
            Params.LengthAdjustment,
            Params.InitialBytesToStrip,
            Params.Order),
        "varint" or "varintPrepender" => FrameCodec.Varint32(1 << 20),
        "lineEncoder" => FrameCodec.Line(1024, Params.Separator!.Length == 1 ? LineEnding.Lf : LineEnding.CrLf),

        // netty's prepender adds to what it writes, its decoder to what it reads.
        "prepender" => FrameCodec.LengthField(
            1024,
            lengthFieldOffset: 0,
            Params.LengthFieldLength,
            lengthAdjustment: -Params.LengthAdjustment
                - (Params.LengthIncludesLengthFieldLength ? Params.LengthFieldLength : 0),
            initialBytesToStrip: Params.LengthFieldLength,
            Params.Order),
        _ => throw new NotSupportedException(Codec),
    };

    private static Dictionary<string, NettyCase> Load()
    {
        using var stream = typeof(NettyCase).Assembly.GetManifestResourceStream("netty.json")!;
        return JsonSerializer.Deserialize<NettyCase[]>(stream, _json)!.ToDictionary(static c => c.Name);
    }
}
