using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Security.Cryptography;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// SHA-256 of streamed content, as hexadecimal digits.
/// </summary>
internal static class ContentHash
{
    private static readonly ConcurrentDictionary<long, Lazy<Task<string>>> _patterns = new();

    /// <summary>The hash of a <see cref="PatternStream"/>.</summary>
    public static Task<string> OfPatternAsync(long length)
        => _patterns.GetOrAdd(
            length,
            static key => new Lazy<Task<string>>(
                () => OfStreamAsync(new PatternStream(key), CancellationToken.None))).Value;

    public static async Task<string> OfStreamAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[128 * 1024];
        for (int count; (count = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            hash.AppendData(buffer, 0, count);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    public static async Task<string> OfPipeAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            foreach (var segment in read.Buffer)
            {
                hash.AppendData(segment.Span);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return Convert.ToHexString(hash.GetHashAndReset());
            }
        }
    }
}
