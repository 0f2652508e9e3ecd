using System.Buffers;
using System.Collections;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using KestrelEventLoopTransport.Loops;
using KestrelEventLoopTransport.Native;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace KestrelEventLoopTransport.Connections;

// The connection is its own feature collection, so the features that it has from the start cost no object. What
// Kestrel and middleware add or replace is in FeatureOverrides. The feature of its loop is the same for all of a loop.
internal sealed partial class StreamConnection : IFeatureCollection,
    IConnectionIdFeature,
    IConnectionTransportFeature,
    IConnectionItemsFeature,
    IMemoryPoolFeature,
    IConnectionLifetimeFeature,
    IConnectionSocketFeature,
    IConnectionEndPointFeature,
    IConnectionHalfCloseFeature,
    IConnectionDeadlineFeature,
    ITcpInfoFeature
{
    private static readonly Type[] _ownFeatures =
    [
        typeof(IConnectionIdFeature),
        typeof(IConnectionTransportFeature),
        typeof(IConnectionItemsFeature),
        typeof(IMemoryPoolFeature),
        typeof(IConnectionLifetimeFeature),
        typeof(IConnectionSocketFeature),
        typeof(IConnectionEndPointFeature),
        typeof(IConnectionHalfCloseFeature),
        typeof(IConnectionDeadlineFeature),
    ];

    private static readonly Type[] _ownFeaturesWithTcpInfo = [.. _ownFeatures, typeof(ITcpInfoFeature)];

    private SocketAddressBytes _remoteAddress;
    private SocketAddressBytes _localAddress;
    private readonly bool _isUnix;

    private FeatureOverrides _overrides;
    private IDuplexPipe _transport;
    private string? _connectionId;
    private IDictionary<object, object?>? _items;
    private EndPoint? _localEndPoint;
    private EndPoint? _remoteEndPoint;
    private ConnectionSocket _socket;
    private bool _closedTokenIsSet;
    private CancellationToken _closedToken;

    public override string ConnectionId
    {
        get => _connectionId
            ?? Interlocked.CompareExchange(ref _connectionId, Connections.ConnectionId.Next(), null)
            ?? _connectionId;
        set => _connectionId = value;
    }

    public override IFeatureCollection Features => this;

    public override IDuplexPipe Transport
    {
        get => _transport;
        set => _transport = value;
    }

    public override IDictionary<object, object?> Items
    {
        get => _items ??= new ConnectionItems();
        set => _items = value;
    }

    public override CancellationToken ConnectionClosed
    {
        get => _closedTokenIsSet ? _closedToken : _closed.Token;
        set
        {
            _closedToken = value;
            _closedTokenIsSet = true;
        }
    }

    public override EndPoint? LocalEndPoint
    {
        get => _localEndPoint ??= _localAddress.ToEndPoint();
        set
        {
            _localEndPoint = value;
            _localAddress = default;
        }
    }

    public override EndPoint? RemoteEndPoint
    {
        get => _remoteEndPoint ??= _remoteAddress.ToEndPoint();
        set
        {
            _remoteEndPoint = value;
            _remoteAddress = default;
        }
    }

    private Type[] OwnFeatures => OperatingSystem.IsLinux() && !_isUnix ? _ownFeaturesWithTcpInfo : _ownFeatures;

    MemoryPool<byte> IMemoryPoolFeature.MemoryPool => Pool;

    /// <summary>
    /// A <see cref="Socket"/> over the connection's descriptor, made on first use. It does not own the descriptor. When
    /// the connection closes, the socket is disposed.
    /// </summary>
    Socket IConnectionSocketFeature.Socket => _socket.Current ?? CreateSocket();

    bool IConnectionHalfCloseFeature.IsAllowed => _settings.AllowHalfClose;

    CancellationToken IConnectionHalfCloseFeature.PeerFinished
    {
        get
        {
            // The source first: the thread that learns of the FIN after the token was taken finds it.
            var token = _peerFinished.Token;
            return _end.TryTakeToken() ? token : new CancellationToken(canceled: true);
        }
    }

    void IConnectionHalfCloseFeature.FinishSending()
    {
        if (_transport != this)
        {
            throw new InvalidOperationException(
                "Middleware has replaced the connection's transport, as TLS does. A FIN would cut off what the "
                + "middleware still has to send. End the sending of the middleware's own stream instead.");
        }

        Output.FinishSending();
    }

    TcpInfo? ITcpInfoFeature.GetTcpInfo() => ReadTcpInfo();

    bool IFeatureCollection.IsReadOnly => false;

    int IFeatureCollection.Revision => _overrides.Revision;

    object? IFeatureCollection.this[Type key]
    {
        get => GetFeature(key);
        set => _overrides.Set(key, value);
    }

    void IConnectionLifetimeFeature.Abort() => Abort(new ConnectionAbortedException(
        "The connection was aborted by the application via IConnectionLifetimeFeature.Abort()."));

    TFeature? IFeatureCollection.Get<TFeature>() where TFeature : default => (TFeature?)GetFeature(typeof(TFeature));

    void IFeatureCollection.Set<TFeature>(TFeature? instance) where TFeature : default
        => _overrides.Set(typeof(TFeature), instance);

    IEnumerator<KeyValuePair<Type, object>> IEnumerable<KeyValuePair<Type, object>>.GetEnumerator()
    {
        foreach (var type in OwnFeatures)
        {
            if (!_overrides.Contains(type))
            {
                yield return new(type, this);
            }
        }

        foreach (var type in LoopFeature.Types)
        {
            if (!_overrides.Contains(type))
            {
                yield return new(type, Loop.Feature);
            }
        }

        foreach (var (type, feature) in _overrides.All)
        {
            if (feature is not null)
            {
                yield return new(type, feature);
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => ((IEnumerable<KeyValuePair<Type, object>>)this).GetEnumerator();

    private object? GetFeature(Type type)
        => _overrides.TryGet(type, out var feature) ? feature
            : Array.IndexOf(OwnFeatures, type) >= 0 ? this
            : Array.IndexOf(LoopFeature.Types, type) >= 0 ? Loop.Feature
            : null;

    private Socket CreateSocket()
    {
        if (!_descriptor.TryAddReference())
        {
            return ConnectionSocket.CreateClosed();
        }

        try
        {
            return _socket.GetOrCreate(Fd);
        }
        finally
        {
            ReleaseReference();
        }
    }
}
