using System.Net;
using System.Text;
using System.Threading.Channels;

namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// A request body that is written line by line while the response is read.
/// </summary>
internal sealed class DuplexContent : HttpContent
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    public ValueTask WriteLineAsync(string line)
        => _lines.Writer.WriteAsync(line, TestContext.Current.CancellationToken);

    public void Complete() => _lines.Writer.Complete();

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The request's headers leave with the first flush.
        await stream.FlushAsync(cancellationToken);
        await foreach (var line in _lines.Reader.ReadAllAsync(cancellationToken))
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellationToken);
            await stream.FlushAsync(cancellationToken);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
