using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace KestrelEventLoopTransport.Framing.Tests.Handling;

/// <summary>A transport whose flush has completed, and whose result is then an exception.</summary>
public sealed class LateFailureTests
{
    [Fact]
    public async Task A_connection_whose_flush_fails_late_ends()
    {
        var handler = new Recorder
        {
            Frame = static (connection, _) =>
            {
                connection.Write("answer"u8);
                return default;
            },
        };
        await using var endpoint = await FrameServer.StartAsync(EndpointKind.EventLoop, listen =>
        {
            listen.Use(next => connection =>
            {
                connection.Transport = new LateFailure(connection.Transport);
                return next(connection);
            });
            listen.UseFrameCodec(FrameCodec.Line(100)).UseFrameHandler(handler);
        });
        using var peer = await endpoint.ConnectAsync();
        var connection = await handler.Connection;
        await peer.SendAsync("a\n");
        await peer.ShutdownAsync();

        var end = await handler.End;

        Assert.IsType<TimeoutException>(end?.InnerException);
        Assert.Equal(0, connection.Endpoint.ConnectionCount);
        Assert.Empty(handler.Violations);
    }

    private sealed class LateFailure(IDuplexPipe transport) : PipeWriter, IDuplexPipe, IValueTaskSource<FlushResult>
    {
        public PipeReader Input => transport.Input;

        public PipeWriter Output => this;

        public override void Advance(int bytes) => transport.Output.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => transport.Output.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => transport.Output.GetSpan(sizeHint);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
            => new(this, 0);

        public override void CancelPendingFlush() => transport.Output.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => transport.Output.Complete(exception);

        public ValueTaskSourceStatus GetStatus(short token) => ValueTaskSourceStatus.Succeeded;

        public FlushResult GetResult(short token) => throw new TimeoutException("on purpose");

        public void OnCompleted(
            Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
            => throw new NotSupportedException("It has completed.");
    }
}
