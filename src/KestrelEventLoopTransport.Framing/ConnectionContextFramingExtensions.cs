using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using KestrelEventLoopTransport.Framing;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;

namespace Microsoft.AspNetCore.Connections;

/// <summary>
/// Extension methods that read and write the frames of a connection. Its endpoint needs
/// <see cref="FramingConnectionBuilderExtensions.UseFrameCodec{TBuilder}(TBuilder, FrameCodec, FrameReaderOptions?)"/>.
/// </summary>
public static class ConnectionContextFramingExtensions
{
    /// <summary>
    /// Enumerates the frames of a connection until the peer ends it. When the server stops, the enumeration ends at the
    /// next wait for the peer.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="cancellationToken">Cancels the wait for a frame.</param>
    /// <returns>The frames. Each is valid until the next step.</returns>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    /// <exception cref="FrameException">
    /// When enumerated: the bytes are not a frame, or the stream ended inside a frame.
    /// </exception>
    /// <exception cref="ConnectionResetException">
    /// When enumerated: the peer reset the connection, or it broke in another way, TLS included.
    /// </exception>
    /// <exception cref="OperationCanceledException">When enumerated: the token was cancelled.</exception>
    public static IAsyncEnumerable<ReadOnlySequence<byte>> ReadFramesAsync(
        this ConnectionContext connection,
        CancellationToken cancellationToken = default)
        => ReadFramesCoreAsync(connection, connection.GetFraming().Reader, cancellationToken);

    /// <summary>Gets the connection's reader, for example to read in batches or to count dropped frames.</summary>
    /// <param name="connection">The connection.</param>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    public static FrameReader GetFrameReader(this ConnectionContext connection) => connection.GetFraming().Reader;

    /// <summary>Gets the connection's writer.</summary>
    /// <param name="connection">The connection.</param>
    /// <exception cref="InvalidOperationException">The endpoint has no codec.</exception>
    public static FrameWriter GetFrameWriter(this ConnectionContext connection) => connection.GetFraming().Writer;

    internal static IFramingFeature GetFraming(this ConnectionContext connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return connection.Features.Get<IFramingFeature>()
            ?? throw new InvalidOperationException(
                "The connection's endpoint has no frame codec. "
                + "Call UseFrameCodec(codec) on its ListenOptions before the handler.");
    }

    private static async IAsyncEnumerable<ReadOnlySequence<byte>> ReadFramesCoreAsync(
        ConnectionContext connection,
        FrameReader reader,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var closing =
            connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var registration = closing.UnsafeRegister(
            static input => ((System.IO.Pipelines.PipeReader)input!).CancelPendingRead(), connection.Transport.Input);
        while (true)
        {
            try
            {
                if (!await reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    yield break;
                }
            }
            catch (OperationCanceledException)
                when (closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                yield break;
            }
            catch (Exception exception)
                when (exception is IOException or SocketException
                    && exception is not (FrameException or ConnectionResetException))
            {
                // Kestrel logs any other exception of a handler as an error of the application.
                throw new ConnectionResetException(exception.Message, exception);
            }

            while (reader.TryRead(out var frame))
            {
                yield return frame;
            }
        }
    }
}
