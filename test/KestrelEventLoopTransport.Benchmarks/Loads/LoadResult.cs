using System.Text.Json;
using System.Text.Json.Serialization;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Loads;

// What a load generator counted in one window.
internal sealed record LoadResult(
    long Operations,
    long Bytes,
    double Seconds,
    long Errors,
    Latencies Latency)
{
    private static readonly JsonSerializerOptions _camelCase = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public string ToJsonLine() => JsonSerializer.Serialize(this, _camelCase);

    // Reads the JSON line that every generator of our own and wrk's script print last.
    public static LoadResult FromJsonLine(string output)
    {
        var line = output.Split('\n').LastOrDefault(line => line.StartsWith('{'))
            ?? throw new BenchmarkFailedException($"the load generator printed no result:\n{output}");
        return JsonSerializer.Deserialize<LoadResult>(line, _camelCase)!;
    }
}
