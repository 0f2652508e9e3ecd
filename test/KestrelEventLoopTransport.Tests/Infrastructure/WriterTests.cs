using System.Buffers;
using System.IO.Pipelines;

namespace KestrelEventLoopTransport.Tests.Infrastructure;

/// <summary>Tests of a <see cref="PipeWriter"/>, with the means to receive what it sends.</summary>
public abstract class WriterTests : PipeTests
{
    private protected PipeWriter Writer => Pair?.Output ?? Model!.Writer;

    private protected override PipeOptions ModelOptions => new(useSynchronizationContext: false);

    private protected async Task<byte[]> ReceiveAsync(int count)
    {
        if (Pair is not null)
        {
            return await Pair.Client.ReceiveExactlyAsync(count);
        }

        var result = await Model!.Reader.ReadAtLeastAsync(count).DefaultTimeout();
        var bytes = result.Buffer.Slice(0, count).ToArray();
        Model.Reader.AdvanceTo(result.Buffer.GetPosition(count));
        return bytes;
    }

    private protected async Task<byte[]> ReceiveToEndAsync()
    {
        if (Pair is not null)
        {
            return await Pair.Client.ReceiveToEndAsync();
        }

        using var all = new MemoryStream();
        await Model!.Reader.CopyToAsync(all).DefaultTimeout();
        return all.ToArray();
    }
}
